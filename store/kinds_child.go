package store

import "fmt"

// inOneAnother says why a protocol of two is none.
func inOneAnother(name string) string {
	if name == "esp+ah" || name == "ah+esp" {
		return "IKEv2 makes one SA of one protocol (RFC 7296 section 1.3): ESP inside AH must be keyed by hand"
	}
	return ""
}

var childKind = within(kind[Child]{
	info: KindInfo{Name: "child", Heading: "Children", Area: AreaIPsec, Plural: "children", Title: "Child", More: "Mode and algorithms",
		Help: "More that one tunnel carries: other networks of a branch, or what goes between both gateways themselves."},
	table: "children",
	key:   func(c *Child) string { return c.Name },
	summary: func(c *Child) string {
		if c.Mode == "transport" {
			return fmt.Sprintf("(of branch %s, between the gateways)", c.Branch)
		}
		return fmt.Sprintf("(of branch %s, %s)", c.Branch, list(c.RemoteNetworks))
	},
	fields: []field[Child]{
		of("name", "", func(c *Child) any { return &c.Name }).required(),
		of("enabled", "the child", func(c *Child) any { return &c.Enabled }),
		of("branch", "the branch", func(c *Child) any { return &c.Branch }).required().refs("branch"),
		of("local_networks", "our networks", func(c *Child) any { return &c.LocalNetworks }),
		of("remote_networks", "their networks", func(c *Child) any { return &c.RemoteNetworks }),
		of("protocol", "the protocol", func(c *Child) any { return &c.Protocol }).required().choices("esp", "ah").unless(inOneAnother).more().
			help("esp encrypts; ah only proves who sent it, and passes no NAT."),
		of("mode", "the mode", func(c *Child) any { return &c.Mode }).required().choices("tunnel", "transport").more().
			help("transport is for what goes between both gateways themselves: leave the networks empty."),
		of("proposals", "the proposals", func(c *Child) any { return &c.Proposals }).inOrder().more().help("The best first; empty means the defaults."),
		of("rekey_seconds", "the key lifetime", func(c *Child) any { return &c.RekeySeconds }).in("seconds").more(),
		noted(func(c *Child) any { return &c.Note }),
	},
	check: (*checker).child,
}, "children", func(d *Document) *[]Child { return &d.Children })
