package sad

import (
	"net/netip"
	"testing"
)

func prefix(s string) Selector { return SelectorFromPrefix(netip.MustParsePrefix(s)) }

func limited(s Selector, protocol uint8, first, last uint16) Selector {
	s.Protocol, s.FirstPort, s.LastPort = protocol, first, last
	return s
}

func TestSelectorContains(t *testing.T) {
	for _, row := range []struct {
		name     string
		selector Selector
		addr     string
		protocol uint8
		port     uint16
		want     bool
	}{
		{"the first address of a network", prefix("10.1.0.0/24"), "10.1.0.0", 6, 80, true},
		{"the last address of a network", prefix("10.1.0.0/24"), "10.1.0.255", 6, 80, true},
		{"the address below", prefix("10.1.0.0/24"), "10.0.255.255", 6, 80, false},
		{"the address above", prefix("10.1.0.0/24"), "10.1.1.0", 6, 80, false},
		{"host bits in the prefix mean its network", prefix("10.1.0.7/24"), "10.1.0.1", 6, 80, true},
		{"every IPv4 address", prefix("0.0.0.0/0"), "255.255.255.255", 17, 65535, true},
		{"IPv6 is not in every IPv4 address", prefix("0.0.0.0/0"), "::1", 17, 1, false},
		{"a mapped address is not IPv4", prefix("0.0.0.0/0"), "::ffff:10.1.0.1", 17, 1, false},
		{"a single IPv6 address", prefix("fd00::1/128"), "fd00::1", 58, 0, true},
		{"another protocol", limited(prefix("10.1.0.0/24"), 6, 0, 65535), "10.1.0.1", 17, 80, false},
		{"the first port", limited(prefix("10.1.0.0/24"), 6, 80, 90), "10.1.0.1", 6, 80, true},
		{"the last port", limited(prefix("10.1.0.0/24"), 6, 80, 90), "10.1.0.1", 6, 90, true},
		{"the port above", limited(prefix("10.1.0.0/24"), 6, 80, 90), "10.1.0.1", 6, 91, false},
		{"a packet without ports", limited(prefix("10.1.0.0/24"), 6, 80, 90), "10.1.0.1", 6, 0, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			if got := row.selector.Contains(netip.MustParseAddr(row.addr), row.protocol, row.port); got != row.want {
				t.Errorf("%s contains %s: %v", row.selector, row.addr, got)
			}
		})
	}
}

func TestIntersect(t *testing.T) {
	for _, row := range []struct {
		name       string
		a, b, want Selector
		ok         bool
	}{
		{"a network in a larger one", prefix("10.0.0.0/8"), prefix("10.1.0.0/24"), prefix("10.1.0.0/24"), true},
		{"two networks apart", prefix("10.1.0.0/24"), prefix("10.2.0.0/24"), Selector{}, false},
		{"two families", prefix("0.0.0.0/0"), prefix("::/0"), Selector{}, false},
		{"any protocol takes the other's", prefix("10.1.0.0/24"), limited(prefix("10.1.0.0/24"), 6, 0, 65535), limited(prefix("10.1.0.0/24"), 6, 0, 65535), true},
		{"two protocols", limited(prefix("10.1.0.0/24"), 17, 0, 65535), limited(prefix("10.1.0.0/24"), 6, 0, 65535), Selector{}, false},
		{"ports that overlap", limited(prefix("::/0"), 6, 10, 20), limited(prefix("::/0"), 6, 20, 30), limited(prefix("::/0"), 6, 20, 20), true},
		{"ports apart", limited(prefix("::/0"), 6, 10, 19), limited(prefix("::/0"), 6, 20, 30), Selector{}, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			for _, in := range [][2]Selector{{row.a, row.b}, {row.b, row.a}} {
				if got, ok := Intersect(in[0], in[1]); ok != row.ok || ok && got != row.want {
					t.Errorf("%s and %s: %s, %v", in[0], in[1], got, ok)
				}
			}
			if row.ok && (!row.want.Within(row.a) || !row.want.Within(row.b)) {
				t.Error("the result is not within both")
			}
		})
	}
}

func TestSelectorString(t *testing.T) {
	for want, s := range map[string]Selector{
		"10.1.0.0/24":                        prefix("10.1.0.0/24"),
		"::/0":                               prefix("::/0"),
		"10.1.0.1/32 protocol 6 ports 80-90": limited(prefix("10.1.0.1/32"), 6, 80, 90),
		"10.1.0.1-10.1.0.9":                  {First: netip.MustParseAddr("10.1.0.1"), Last: netip.MustParseAddr("10.1.0.9"), LastPort: 65535},
	} {
		if got := s.String(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
