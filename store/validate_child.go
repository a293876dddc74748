package store

import "net/netip"

func (c *checker) child(at string, ch Child) {
	switch {
	case ch.Mode == "transport":
		for field, networks := range map[string][]netip.Prefix{"local_networks": ch.LocalNetworks, "remote_networks": ch.RemoteNetworks} {
			if len(networks) > 0 {
				c.bad(at+"."+field, "choice", "transport mode is between both gateways themselves: leave it empty, or choose tunnel")
			}
		}
	default:
		c.joined(at, ch.LocalNetworks, ch.RemoteNetworks)
	}
	c.between(at+".rekey_seconds", ch.RekeySeconds, minRekey, maxRekey, "seconds")
}

// joined checks the networks of both sides.
func (c *checker) joined(at string, local, remote []netip.Prefix) {
	c.someNetworks(at+".local_networks", local)
	c.someNetworks(at+".remote_networks", remote)
	if len(local) > 0 && len(remote) > 0 {
		c.partners(at+".local_networks", local, remote)
		c.partners(at+".remote_networks", remote, local)
	}
}

// children checks what concerns children and their branches together.
func (c *checker) children(d Document) {
	transport := map[string]string{}
	for _, j := range d.Joints() {
		if j.Child == "" {
			continue
		}
		ch := d.Children[childKind.find(d.Children, j.Child)]
		c.childProposals(j.at+".proposals", ch, d.Branches[branchKind.find(d.Branches, j.Branch)].Algorithms)
		if ch.Mode != "transport" {
			continue
		}
		if !j.Transport() {
			c.bad(j.at+".mode", "choice", "transport mode needs to know the other gateway by its address, and branch %s has none", j.Branch)
		}
		if other := transport[j.Branch]; other != "" {
			c.bad(j.at+".mode", "repeated", "%s is between the same gateways", other)
		}
		transport[j.Branch] = j.Child
	}
}

// childProposals are judged by how careful the branch is.
func (c *checker) childProposals(at string, ch Child, a Algorithms) {
	if ch.Protocol != "ah" {
		c.proposals(at, ch.Proposals, false, a)
		return
	}
	for i, name := range ch.Proposals {
		if fault := AHSuiteFault(name, a); fault != "" {
			c.bad(indexed(at, i), "choice", "%s", fault)
		}
	}
}
