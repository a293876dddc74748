package firewall

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
)

// Label is what sensitive networks and services carry: what goes to them or comes
// from them passes this gateway by the tunnel's device on one side, and never by wan
// on the other. What the tunnel protects it by is the data plane's to judge. The
// gateway itself can be spoken to from inside.
type Label struct {
	ID string
	// Networks have the label; none is all.
	Networks []Range
	// Services are those of the networks that have it, by the ports of whom they
	// are offered by; none is all.
	Services []Service
}

// LabelID is what is counted and logged as not protected as a label demands.
func LabelID(label string) string { return idLabel + label }

// labels refuses what carries a label and would pass in clear, whether or not its
// connection was allowed before.
func (c *compiler) labels() {
	if len(c.policy.Labels) == 0 {
		return
	}
	var rules []rule
	for i, l := range c.policy.Labels {
		for _, f := range []family{ipv4, ipv6} {
			for _, field := range []addressField{source, destination} {
				for _, m := range c.labelled(fmt.Sprintf("label_%d_", i), l, field, f) {
					rules = append(rules, rule{comment: LabelID(l.ID), statements: append(m, c.end(LabelID(l.ID), Drop))})
				}
			}
		}
	}
	c.out.addChain("labelled", nil, rules...)
	found, tunnel := goTo("labelled"), c.policy.TunnelDevice
	wan := func(d direction) rule { return when(deviceIn{d, setWAN}, found) }
	c.out.addChain("labels", &hook{kind: "filter", point: "forward", priority: "-5"}, wan(incoming), wan(outgoing),
		when(device{incoming, tunnel}, accept), when(device{outgoing, tunnel}, accept), when(found))
	// What is for the gateway itself, and what it sends. What protects is exempt.
	own := func(field, ours addressField, by direction, before statement) []rule {
		rules := []rule{when(before, accept)}
		if len(c.policy.IKE) > 0 {
			for _, m := range c.peers(field) {
				rules = append(rules, when(m, portIn{overUDP, ours, setIKEPorts}, accept))
				for _, p := range protections() {
					rules = append(rules, when(m, p, accept))
				}
			}
		}
		return append(rules, wan(by))
	}
	c.out.addChain("labels_arriving", &hook{kind: "filter", point: "input", priority: "-5"}, own(source, destination, incoming, wasProtected{})...)
	c.out.addChain("labels_leaving", &hook{kind: "filter", point: "output", priority: "-5"}, own(destination, source, outgoing, toBeProtected{})...)
}

// labelled are the ways in which a packet of one family comes from what has a
// label, or goes there.
func (c *compiler) labelled(name string, l Label, field addressField, f family) (out alternatives) {
	addresses := []statement{f}
	if len(l.Networks) > 0 {
		if addresses = c.inSpans(name, field, f, listPool(l.Networks)); addresses == nil {
			return nil
		}
	}
	if len(l.Services) == 0 {
		return alternatives{addresses}
	}
	for i, s := range l.Services {
		nth := strconv.Itoa(i + 1)
		var above alternatives
		switch s.Protocol {
		case AnyProtocol:
			above = anything()
		case OtherProtocol:
			above = alternatives{c.numbered(name+"protocols"+nth, s.Numbers)}
		case ICMP:
			above = c.messages(name, nth, s.Messages, f)
		case TCP:
			above = offered(overTCP, s.Ports, field)
		case UDP:
			above = offered(overUDP, s.Ports, field)
		}
		out = append(out, alternatives{addresses}.and(above)...)
	}
	return out
}

// offered matches the ports of a service on the side of who offers it.
func offered(over transport, all []PortRange, field addressField) (out alternatives) {
	if len(all) == 0 {
		return alternatives{{over}}
	}
	for _, r := range disjointPorts(all) {
		out = append(out, []statement{port{over, field, r}})
	}
	return out
}

// refusedByLabel says what label a flow carries that may not pass so, if any.
func (d *Decider) refusedByLabel(f Flow, from, to string) (string, bool) {
	behind := d.c.places[from] == behindTunnel || d.c.places[to] == behindTunnel
	if from != ZoneWAN && to != ZoneWAN && (behind || to == ZoneGateway) {
		return "", false
	}
	if _, exempt := d.always(from, f); exempt && to == ZoneGateway && from == ZoneWAN {
		return "", false
	}
	for _, l := range d.policy.Labels {
		has := func(a netip.Addr) bool { return len(l.Networks) == 0 || listPool(l.Networks).has(a) }
		// The first packet has the service's port where it goes to; what has no
		// ports is of the service in both directions.
		asks := len(l.Services) == 0 || slices.ContainsFunc(l.Services, func(s Service) bool { return s.serves(f) })
		answers := len(l.Services) == 0 || slices.ContainsFunc(l.Services, func(s Service) bool { return len(s.Ports) == 0 && s.serves(f) })
		if has(f.Destination) && asks || has(f.Source) && answers {
			return LabelID(l.ID), true
		}
	}
	return "", false
}
