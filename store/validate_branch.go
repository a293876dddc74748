package store

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

func (c *checker) branches(d Document) {
	type network struct {
		prefix netip.Prefix
		whose  string
	}
	var taken []network
	for _, n := range d.Interfaces {
		for _, a := range n.Addresses {
			if a.IsValid() {
				taken = append(taken, network{a.Masked(), "the network of interface " + n.Name})
			}
		}
	}
	for i, b := range d.Branches {
		at := indexed("branches", i)
		c.mistakable(at, b, d.Branches[:i])
		if len(b.LocalNetworks)+len(b.RemoteNetworks) > 0 || !slices.ContainsFunc(d.Children, func(ch Child) bool { return ch.Branch == b.Name }) {
			c.joined(at, b.LocalNetworks, b.RemoteNetworks)
		}
	}
	var before []Joint
	for _, j := range d.Joints() {
		for k, n := range j.Remote {
			if !n.IsValid() {
				continue
			}
			field := fmt.Sprintf("%s.remote_networks[%d]", j.at, k)
			for _, t := range taken {
				if t.prefix.Overlaps(n) && t.whose != ofBranch(j) {
					c.bad(field, "overlap", "%s overlaps %s (%s)", n, t.whose, t.prefix)
				}
			}
			for _, o := range before {
				// Children of one branch may have one side in common: both would make
				// two tunnels for the same packets.
				if o.Branch == j.Branch && overlap(o.Remote, []netip.Prefix{n}) && overlap(o.Local, j.Local) {
					c.bad(field, "overlap", "%s to the same networks goes through another tunnel of branch %s already", n, j.Branch)
				}
			}
			c.reachable(field, n, j, d.Routes)
			taken = append(taken, network{n, ofBranch(j)})
		}
		before = append(before, j)
	}
}

func ofBranch(j Joint) string { return "a network of branch " + j.Branch }

func overlap(a, b []netip.Prefix) bool {
	for _, p := range a {
		for _, q := range b {
			if p.IsValid() && q.IsValid() && p.Overlaps(q) {
				return true
			}
		}
	}
	return false
}

// indexed is one of a list, as in branches[0].
func indexed(list string, i int) string { return fmt.Sprintf("%s[%d]", list, i) }

// reachable refuses what would keep traffic for a remote network out of the
// tunnel: a local network inside it, and a static route at least as specific
// as the tunnel's own, which would carry the packets past it unprotected.
func (c *checker) reachable(field string, remote netip.Prefix, j Joint, routes []Route) {
	for _, l := range j.Local {
		if l.IsValid() && l.Overlaps(remote) && l.Bits() >= remote.Bits() {
			c.bad(field, "overlap", "%s overlaps the local network %s", remote, l)
		}
	}
	for _, r := range routes {
		if r.Destination.IsValid() && r.Destination.Overlaps(remote) && r.Destination.Bits() >= remote.Bits() {
			c.bad(field, "overlap", "the static route to %s leads past the tunnel", r.Destination)
		}
	}
}

// mistakable refuses two enabled branches that could not be told apart when
// one calls: the same identity, from the same peer or from anywhere.
func (c *checker) mistakable(at string, b Branch, before []Branch) {
	identity := func(b Branch) string { return strings.ToLower(cmp.Or(b.RemoteID, b.Peer)) }
	for _, o := range before {
		anywhere := b.Peer == "" || o.Peer == "" || strings.EqualFold(b.Peer, o.Peer)
		if b.Enabled && o.Enabled && anywhere && identity(b) != "" && identity(b) == identity(o) {
			c.bad(at+".remote_id", "repeated", "%q is how branch %s is known already", cmp.Or(b.RemoteID, b.Peer), o.Name)
		}
	}
}

func (c *checker) branch(at string, b Branch) {
	if b.Start != StartAlways && b.Start != StartTraffic && b.Start != StartAnswer {
		c.bad(at+".start", "choice", "must be always, traffic or answer")
	}
	switch {
	case b.Peer == "" && b.Start != StartAnswer:
		c.bad(at+".peer", "required", "is needed to call the other side; leave it out only with start answer")
	case b.Peer != "" && !isPeer(b.Peer):
		c.bad(at+".peer", "format", "must be an IP address or a DNS name")
	case b.Peer == "" && b.RemoteID == "" && b.TheirCertificate == "":
		c.bad(at+".remote_id", "required", "is needed when the other side may call from anywhere")
	}
	c.identity(at+".local_id", b.LocalID)
	c.identity(at+".remote_id", b.RemoteID)
	c.proof(at, b)
	c.proposals(at+".ike_proposals", b.IKEProposals, true, b.Algorithms)
	c.proposals(at+".esp_proposals", b.ESPProposals, false, b.Algorithms)
	c.between(at+".rekey_seconds", b.RekeySeconds, minRekey, maxRekey, "seconds")
	c.between(at+".dpd_seconds", b.DPDSeconds, minDPD, maxDPD, "seconds")
}

// proof checks how both sides prove who they are: by a shared key, or by
// certificates.
func (c *checker) proof(at string, b Branch) {
	n := len(b.PSK)
	switch {
	case b.Certificate != "" && b.Authority == "" && b.TheirCertificate == "":
		c.bad(at+".authority", "required", "say which authority issued their certificate, or which certificate is theirs")
	case b.Certificate == "" && (b.Authority != "" || b.TheirCertificate != ""):
		c.bad(at+".certificate", "required", "with certificates this gateway needs its own too")
	case b.Certificate != "":
	case n == 0:
		c.bad(at+".psk", "required", "a shared key is needed, or a certificate")
	case n < minPSK || n > maxPSK:
		c.bad(at+".psk", "length", "must have %d to %d bytes", minPSK, maxPSK)
	}
	switch n := len(b.PPK); {
	case b.PPKID != "" && n == 0:
		c.bad(at+".ppk", "required", "the key of this name is needed")
	case n > 0 && (n < minPPK || n > maxPSK):
		c.bad(at+".ppk", "length", "must have %d to %d bytes", minPPK, maxPSK)
	case b.PPKID == "" && (n > 0 || b.PPKOptional):
		c.bad(at+".ppk_id", "required", "the post-quantum key needs a name, the same on both sides")
	case len(b.PPKID) > 64 || strings.ContainsFunc(b.PPKID, func(r rune) bool { return r <= ' ' || r > '~' }):
		c.bad(at+".ppk_id", "format", "must be letters, digits and signs without spaces, at most 64")
	}
}

// minPPK is that of RFC 8784 section 6 in bytes: 256 bits.
const minPPK = 32

// partners reports a network whose family has none on the other side: no
// packet could go there.
func (c *checker) partners(at string, these, others []netip.Prefix) {
	for i, n := range these {
		if n.IsValid() && !shareFamily([]netip.Prefix{n}, others) {
			c.bad(fmt.Sprintf("%s[%d]", at, i), "family", "%s has no network of its address family on the other side", n)
		}
	}
}

func (c *checker) someNetworks(at string, networks []netip.Prefix) {
	if len(networks) == 0 {
		c.bad(at, "required", "needs at least one network")
	}
	c.networks(at, networks)
}

func (c *checker) proposals(at string, names []string, ike bool, a Algorithms) {
	for i, n := range names {
		if fault := SuiteFault(n, ike, a); fault != "" {
			c.bad(fmt.Sprintf("%s[%d]", at, i), "choice", "%s: %s", n, fault)
		}
	}
}

// identity accepts an address, a mail address or a DNS name.
func (c *checker) identity(at, id string) {
	if id == "" || isPeer(id) {
		return
	}
	local, domain, mail := strings.Cut(id, "@")
	if !mail || local == "" || !isName(domain) || strings.ContainsFunc(local, func(r rune) bool { return r <= ' ' || r > '~' }) {
		c.bad(at, "format", "must be an IP address, a DNS name or a mail address")
	}
}

func isPeer(s string) bool {
	if a, err := netip.ParseAddr(s); err == nil {
		return a.Zone() == "" && !a.IsUnspecified() && !a.IsMulticast() && !a.IsLoopback()
	}
	return isName(s)
}

// isName says whether s is a DNS name. One that is all digits and dots would
// be a mistyped address.
func isName(s string) bool {
	if len(s) == 0 || len(s) > 253 || strings.Trim(s, "0123456789.") == "" {
		return false
	}
	return !slices.ContainsFunc(strings.Split(s, "."), func(label string) bool { return !hostPattern.MatchString(label) })
}
