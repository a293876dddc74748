package firewall

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
)

func TestSpans(t *testing.T) {
	for _, row := range []struct {
		name   string
		in, un []string
		want   string
	}{
		{"one prefix", []string{"10.0.0.7/24"}, nil, "[10.0.0.0/24]"},
		{"neighbours become one", []string{"10.0.1.0/24", "10.0.0.0/24"}, nil, "[10.0.0.0/23]"},
		{"an inner prefix disappears", []string{"10.0.0.0/8", "10.1.0.0/16"}, nil, "[10.0.0.0/8]"},
		{"neighbours that are no prefix", []string{"10.0.1.0/24", "10.0.2.0/24"}, nil, "[10.0.1.0-10.0.2.255]"},
		{"everything", []string{"0.0.0.0/0", "255.255.255.255/32"}, nil, "[0.0.0.0/0]"},
		{"the end of the address space", []string{"ffff::/16", "ffff:1::/32"}, nil, "[ffff::/16]"},
		{"a hole", []string{"10.0.0.0/8"}, []string{"10.1.0.0/16"}, "[10.0.0.0/16 10.2.0.0-10.255.255.255]"},
		{"a hole at each end", []string{"0.0.0.0/0"}, []string{"0.0.0.0/1", "255.0.0.0/8"}, "[128.0.0.0-254.255.255.255]"},
		{"nothing left", []string{"10.1.0.0/16", "10.3.0.0/16"}, []string{"10.0.0.0/8"}, "[]"},
		{"nothing taken away", []string{"10.1.0.0/16"}, []string{"10.0.0.0/16", "10.2.0.0/16"}, "[10.1.0.0/16]"},
	} {
		t.Run(row.name, func(t *testing.T) {
			v4, v6 := split(prefixes(row.in...))
			un4, un6 := split(prefixes(row.un...))
			if got := fmt.Sprint(append(without(v4, un4), without(v6, un6)...)); got != row.want {
				t.Errorf("got %s, want %s", got, row.want)
			}
		})
	}
}

// FuzzSpans checks the arithmetic against asking every prefix in turn.
func FuzzSpans(f *testing.F) {
	f.Add([]byte{10, 8, 10, 9, 255, 1}, []byte{10, 16}, byte(10))
	f.Add([]byte{0, 0}, []byte{255, 8, 0, 1}, byte(254))
	f.Fuzz(func(t *testing.T, in, un []byte, probe byte) {
		list := func(b []byte) (out []netip.Prefix) {
			for ; len(b) >= 2; b = b[2:] {
				out = append(out, netip.PrefixFrom(netip.AddrFrom4([4]byte{b[0], b[1], b[0], b[1]}), int(b[1])%33))
			}
			return out
		}
		within := func(list []netip.Prefix, a netip.Addr) bool {
			for _, p := range list {
				if p.Contains(a) {
					return true
				}
			}
			return false
		}
		ins, uns := list(in), list(un)
		v4, _ := split(ins)
		un4, _ := split(uns)
		got := without(v4, un4)
		for i := range got {
			if got[i].Last.Less(got[i].First) || i > 0 && !got[i-1].Last.Less(got[i].First) {
				t.Fatalf("not disjoint and sorted: %v", got)
			}
		}
		for _, a := range []netip.Addr{
			netip.AddrFrom4([4]byte{probe, 0, 0, 0}), netip.AddrFrom4([4]byte{probe, probe, probe, probe}), netip.AddrFrom4([4]byte{probe, 255, 255, 255}),
		} {
			found := false
			for _, s := range got {
				found = found || !a.Less(s.First) && !s.Last.Less(a)
			}
			if want := within(ins, a) && !within(uns, a); found != want {
				t.Errorf("%s in %v without %v: %v, want %v", a, ins, uns, found, want)
			}
		}
	})
}

func TestRangesOfAListBecomeDisjoint(t *testing.T) {
	r := func(first, last string) Range { return Range{netip.MustParseAddr(first), netip.MustParseAddr(last)} }
	tidy := []Range{r("10.0.0.1", "10.0.0.1"), r("10.0.0.3", "10.0.0.9")}
	for name, row := range map[string]struct {
		in     []Range
		v4, v6 string
	}{
		"none":               {nil, "[]", "[]"},
		"tidy":               {tidy, "[10.0.0.1 10.0.0.3-10.0.0.9]", "[]"},
		"tidy IPv6":          {[]Range{r("::1", "::1"), r("::5", "::6")}, "[]", "[::1 ::5-::6]"},
		"touching":           {[]Range{r("10.0.0.0", "10.0.0.0"), r("10.0.0.1", "10.0.0.1")}, "[10.0.0.0/31]", "[]"},
		"overlapping":        {[]Range{r("10.0.0.0", "10.0.0.9"), r("10.0.0.3", "10.0.0.4"), r("10.0.0.5", "10.0.0.20")}, "[10.0.0.0-10.0.0.20]", "[]"},
		"in any order":       {[]Range{r("10.0.0.9", "10.0.0.9"), r("10.0.0.1", "10.0.0.1")}, "[10.0.0.1 10.0.0.9]", "[]"},
		"both families":      {[]Range{r("10.0.0.1", "10.0.0.1"), r("::1", "::2")}, "[10.0.0.1]", "[::1-::2]"},
		"up to the very end": {[]Range{r("10.0.0.0", "255.255.255.255"), r("255.255.255.255", "255.255.255.255")}, "[10.0.0.0-255.255.255.255]", "[]"},
	} {
		p := listPool(row.in)
		if fmt.Sprint(p.v4) != row.v4 || fmt.Sprint(p.v6) != row.v6 {
			t.Errorf("%s: %v %v", name, p.v4, p.v6)
		}
	}
	if p := listPool(tidy); &p.v4[0] != &tidy[0] {
		t.Error("a tidy list was copied")
	}
}

func TestJoinKeepsTheFamiliesApart(t *testing.T) {
	parse := func(first, last string) Range {
		return Range{netip.MustParseAddr(first), netip.MustParseAddr(last)}
	}
	got := Join([]Range{
		parse("::", "::1"), parse("255.255.255.0", "255.255.255.255"), parse("::2", "::2"),
		parse("10.0.0.5", "10.0.0.9"), parse("10.0.0.1", "10.0.0.4"), parse("10.0.0.2", "10.0.0.2"),
	})
	want := []Range{parse("10.0.0.1", "10.0.0.9"), parse("255.255.255.0", "255.255.255.255"), parse("::", "::2")}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
