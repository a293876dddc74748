package store

import (
	"errors"
	"strings"
	"testing"
)

func TestChildrenThatCannotBe(t *testing.T) {
	for name, tc := range map[string]struct {
		field, says string
		spoil       func(d *Document, c *Child)
	}{
		"ESP inside AH":                  {"children[0].protocol", "RFC 7296 section 1.3", func(_ *Document, c *Child) { c.Protocol = "esp+ah" }},
		"networks in transport mode":     {"children[0].local_networks", "themselves", func(_ *Document, c *Child) { c.Mode = "transport" }},
		"no networks":                    {"children[0].remote_networks", "at least one", func(_ *Document, c *Child) { c.RemoteNetworks = nil }},
		"families that do not meet":      {"children[0].remote_networks[0]", "family", func(_ *Document, c *Child) { c.RemoteNetworks = prefixes("fd00:9::/64") }},
		"a network of the branch itself": {"children[0].remote_networks[0]", "another tunnel of branch", func(d *Document, c *Child) { c.RemoteNetworks = d.Branches[0].RemoteNetworks }},
		"a network of the office":        {"children[0].remote_networks[0]", "overlaps", func(_ *Document, c *Child) { c.RemoteNetworks = prefixes("10.1.0.0/25") }},
		"proposals of ESP for AH":        {"children[0].proposals[0]", "proposal of AH", func(_ *Document, c *Child) { c.Protocol = "ah" }},
		"what can be broken":             {"children[0].proposals[0]", "can be broken", func(_ *Document, c *Child) { c.Proposals = []string{"3des-sha256"} }},
		"a branch that is not there":     {"children[0].branch", "", func(_ *Document, c *Child) { c.Branch = "nowhere" }},
		"a lifetime of a second":         {"children[0].rekey_seconds", "5 to 86400", func(_ *Document, c *Child) { c.RekeySeconds = 1 }},
		"transport mode to a name": {"children[1].mode", "by its address", func(d *Document, _ *Child) {
			d.Branches[0].Peer = "leeds.example.org"
			d.Children = append(d.Children, Child{Name: "hosts", Branch: d.Branches[0].Name, Protocol: "esp", Mode: "transport"})
		}},
		"transport mode twice": {"children[2].mode", "same gateways", func(d *Document, _ *Child) {
			for _, n := range []string{"hosts", "again"} {
				d.Children = append(d.Children, Child{Name: n, Branch: d.Branches[0].Name, Protocol: "esp", Mode: "transport"})
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			doc := example(t)
			doc.Children = []Child{{Name: "more", Enabled: true, Branch: doc.Branches[0].Name, Protocol: "esp", Mode: "tunnel",
				LocalNetworks: prefixes("10.1.0.0/24"), RemoteNetworks: prefixes("10.66.0.0/24"), Proposals: []string{"aes256gcm16"}}}
			if err := doc.Validate(); err != nil {
				t.Fatal(err)
			}
			c := doc.Children[0]
			tc.spoil(&doc, &c)
			doc.Children[0] = c
			var all ValidationError
			if !errors.As(doc.Validate(), &all) {
				t.Fatal("is accepted")
			}
			for _, f := range all {
				if f.Field == tc.field && strings.Contains(f.Message, tc.says) {
					return
				}
			}
			t.Errorf("%v", all)
		})
	}
}

func TestChildrenFollowTheNameOfTheirBranch(t *testing.T) {
	doc := everything(t)
	if len(doc.Children) == 0 {
		t.Fatal("no children")
	}
	old := doc.Children[0].Branch
	childKind.renamed(&doc, "branch", old, "york")
	if doc.Children[0].Branch != "york" {
		t.Errorf("%+v", doc.Children[0])
	}
}
