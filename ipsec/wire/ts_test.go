package wire

import (
	"net/netip"
	"strings"
	"testing"
)

const v4Selector = "07 00 0010 0000 ffff c0a80100 c0a801ff"

func repeat(s string, n int) string { return strings.Repeat(s, n) }

func TestTS(t *testing.T) {
	v4 := TrafficSelector{Type: TSIPv4, EndPort: 65535,
		Start: netip.MustParseAddr("192.168.1.0"), End: netip.MustParseAddr("192.168.1.255")}
	v6 := TrafficSelector{Type: TSIPv6, Protocol: 17, StartPort: 53, EndPort: 53,
		Start: netip.MustParseAddr("2001:db8::"), End: netip.MustParseAddr("2001:db8::ffff")}
	golden(t, &TS{Selectors: []TrafficSelector{v4}}, "01 000000"+v4Selector)
	golden(t, &TS{Responder: true, Selectors: []TrafficSelector{v4, v6}}, "02 000000"+v4Selector+
		"08 11 0028 0035 0035 20010db8000000000000000000000000 20010db800000000000000000000ffff")
	// An IPv4 address in the IPv6 form stays what it is.
	mapped := netip.MustParseAddr("::ffff:192.0.2.1")
	golden(t, &TS{Selectors: []TrafficSelector{{Type: TSIPv6, Start: mapped, End: mapped}}},
		"01 000000 08 00 0028 0000 0000 00000000000000000000ffffc0000201 00000000000000000000ffffc0000201")
}

// A peer may offer selectors of a kind that we do not know beside others
// (RFC 7296 section 3.13.1).
func TestASelectorOfAnUnknownTypeHasNoAddresses(t *testing.T) {
	p, err := parseTS(TypeTSi, unhex(t, "02 000000 09 00 000a 0000 ffff abcd"+v4Selector))
	if err != nil {
		t.Fatal(err)
	}
	ts, ok := p.(*TS)
	if !ok || len(ts.Selectors) != 2 || ts.Selectors[0].Start.IsValid() || !ts.Selectors[1].Start.IsValid() {
		t.Errorf("got %+v", p)
	}
}

func TestTSThatIsRefused(t *testing.T) {
	rows := map[string]string{
		"nothing":                               "",
		"the reserved bytes are cut off":        "01 0000",
		"a selector that is not there":          "01 000000",
		"more selectors than were said":         "01 000000" + v4Selector + v4Selector,
		"fewer selectors than were said":        "02 000000" + v4Selector,
		"255 selectors that are not there":      "ff 000000" + v4Selector,
		"65 selectors":                          "41 000000" + repeat(v4Selector, 65),
		"a selector length of zero":             "01 000000 07 00 0000 0000 ffff c0a80100 c0a801ff",
		"a selector length of seven":            "01 000000 07 00 0007 0000 ffff c0a80100 c0a801ff",
		"a selector length beyond the payload":  "01 000000 07 00 0011 0000 ffff c0a80100 c0a801ff",
		"IPv4 with one address":                 "01 000000 07 00 000c 0000 ffff c0a80100",
		"IPv6 with addresses of IPv4":           "01 000000 08 00 0010 0000 ffff c0a80100 c0a801ff",
		"IPv4 with no addresses":                "01 000000 07 00 0008 0000 ffff",
		"bytes after the last selector":         "01 000000" + v4Selector + "00",
		"an unknown type whose body is missing": "01 000000 09 00 00ff 0000 ffff",
	}
	refused(t, TypeTSi, rows)
	refused(t, TypeTSr, rows)
}

func TestTSThatCannotBeBuilt(t *testing.T) {
	v4, v6 := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1")
	unbuildable(t, map[string]Payload{
		"IPv6 addresses as IPv4":       &TS{Selectors: []TrafficSelector{{Type: TSIPv4, Start: v6, End: v6}}},
		"from one family to the other": &TS{Selectors: []TrafficSelector{{Type: TSIPv4, Start: v4, End: v6}}},
		"no end":                       &TS{Selectors: []TrafficSelector{{Type: TSIPv6, Start: v6}}},
		"no addresses":                 &TS{Selectors: []TrafficSelector{{Type: TSIPv4}}},
		"65 selectors":                 &TS{Selectors: make([]TrafficSelector, 65)},
	})
}

func FuzzTS(f *testing.F) {
	fuzzBody(f, []PayloadType{TypeTSi, TypeTSr}, "", "01 000000"+v4Selector, "ff 000000"+v4Selector,
		"01 000000 09 00 000a 0000 ffff abcd",
		"01 000000 08 11 0028 0035 0035 20010db8000000000000000000000000 20010db800000000000000000000ffff")
}
