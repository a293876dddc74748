package esp

import (
	"net/netip"
	"testing"

	"gatehouse/ipsec/crypto"
	"gatehouse/ipsec/sad"
)

// secret demands of what goes to or comes from a network that one of some suites
// protects it.
func secret(t testing.TB, id uint32, network string, suites ...string) (out []sad.Policy) {
	t.Helper()
	everywhere := []sad.Selector{
		sad.SelectorFromPrefix(netip.MustParsePrefix("0.0.0.0/0")), sad.SelectorFromPrefix(netip.MustParsePrefix("::/0")),
	}
	labelled := []sad.Selector{sad.SelectorFromPrefix(netip.MustParsePrefix(network))}
	p := sad.Policy{Name: "label secret", Action: sad.Demand, Labels: []string{"secret"}}
	for _, name := range suites {
		s, err := crypto.ParseESPSuite(name)
		if err != nil {
			t.Fatal(err)
		}
		p.Admits = append(p.Admits, sad.Protection{Protocol: sad.ESP, Suite: s})
	}
	for i, ends := range [][2][]sad.Selector{{labelled, everywhere}, {everywhere, labelled}} {
		p.ID, p.LocalTS, p.RemoteTS = id+uint32(i), ends[0], ends[1]
		out = append(out, p)
	}
	return out
}

func TestALabelRefusesWhatWeakerAlgorithmsProtect(t *testing.T) {
	for _, row := range []struct {
		name     string
		networks [2]string
		admits   string
		ip       []byte
		passes   bool
	}{
		{"IPv4 by the algorithms that are demanded", [2]string{"10.1.0.0/24", "10.1.0.0/24"}, "aes256gcm16", udp4("10.1.0.5", "10.2.0.9", 10), true},
		{"IPv6 by the algorithms that are demanded", [2]string{"fd00:2::/64", "fd00:2::/64"}, "aes256gcm16", udp6("fd00:1::5", "fd00:2::9", 10), true},
		{"IPv4 from the network by shorter keys", [2]string{"10.1.0.0/24", "192.0.2.0/24"}, "aes128gcm16", udp4("10.1.0.5", "10.2.0.9", 10), false},
		{"IPv6 to the network by shorter keys", [2]string{"fd00:2::/64", "192.0.2.0/24"}, "aes128gcm16", udp6("fd00:1::5", "fd00:2::9", 10), false},
		{"what has no label, by any", [2]string{"10.1.0.0/25", "10.1.0.0/25"}, "aes128gcm16", udp4("10.1.0.200", "10.2.0.9", 10), true},
	} {
		t.Run("outbound "+row.name, func(t *testing.T) {
			a, _, _, _ := pair(t, "aes256gcm16")
			var told []sad.Event
			a.cfg.Event = func(e sad.Event) { told = append(told, e) }
			p := a.tables.Load().policies[0].Policy
			policies := append(secret(t, 20, row.networks[0], row.admits, "aes256-sha512"), p)
			if err := a.SetPolicies(policies); err != nil {
				t.Fatal(err)
			}
			if got := a.protectOne(row.ip) != nil; got != row.passes {
				t.Errorf("passes: %t", got)
			}
			if !row.passes && (len(told) != 1 || told[0].Refusal != sad.TooWeak || told[0].Policy < 20) {
				t.Errorf("told %+v", told)
			}
		})
		t.Run("inbound "+row.name, func(t *testing.T) {
			a, b, _, in := pair(t, "aes256gcm16")
			var told []sad.Event
			b.cfg.Event = func(e sad.Event) {
				if e.Kind == sad.Refused {
					told = append(told, e)
				}
			}
			p := b.tables.Load().policies[0].Policy
			if err := b.SetPolicies(append(secret(t, 20, row.networks[0], row.admits), p)); err != nil {
				t.Fatal(err)
			}
			// Twice, as the second packet of a flow need not be looked up again.
			for range 2 {
				if got := b.unprotectOne(a.protectOne(row.ip)) != nil; got != row.passes {
					t.Errorf("passes: %t", got)
				}
			}
			if !row.passes && (len(told) != 1 || told[0].Refusal != sad.TooWeak || in.refused.Load() != 2) {
				t.Errorf("told %+v, %d refused", told, in.refused.Load())
			}
		})
	}
}

func TestAPolicyCanBeForALabel(t *testing.T) {
	a, _, out, _ := pair(t, "aes256gcm16")
	policies := append(secret(t, 20, "10.2.0.128/25", "aes256gcm16"),
		sad.Policy{ID: 30, Action: sad.Discard, LocalTS: out.LocalTS, RemoteTS: out.RemoteTS, Labels: []string{"secret"}},
		a.tables.Load().policies[0].Policy)
	if err := a.SetPolicies(policies); err != nil {
		t.Fatal(err)
	}
	if a.protectOne(udp4("10.1.0.5", "10.2.0.200", 10)) != nil {
		t.Error("what carries the label passes")
	}
	if a.protectOne(udp4("10.1.0.5", "10.2.0.9", 10)) == nil {
		t.Error("what does not is refused")
	}
}

func TestLabelsCostNoAllocation(t *testing.T) {
	a, _, _, _ := pair(t, "aes256gcm16")
	if err := a.SetPolicies(append(secret(t, 20, "10.1.0.0/24", "aes256gcm16"), a.tables.Load().policies[0].Policy)); err != nil {
		t.Fatal(err)
	}
	ip := udp4("10.1.0.5", "10.2.0.9", 10)
	buf := make([]byte, bufferSize)
	s, tables := &sender{e: a}, a.tables.Load()
	if n := testing.AllocsPerRun(100, func() {
		copy(buf[headroom:], ip)
		p := packetIn(buf, len(ip))
		if s.protect(tables, &p, 1) == nil {
			t.Error("not protected")
		}
	}); n != 0 {
		t.Errorf("%v allocations a packet", n)
	}
}
