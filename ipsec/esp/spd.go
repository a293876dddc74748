package esp

import (
	"net/netip"
	"slices"

	"gatehouse/ipsec/sad"
)

// index finds the policies that can match an address of one side, so that the
// first packet of a flow costs little however many there are. The address space of
// both families is cut at every end of a policy's selectors; for each piece the
// policies that cover it are known.
type index struct {
	from []netip.Addr // where the pieces begin, ascending
	of   [][]int32    // policies that cover them, ascending
	wide []int32      // policies that cover too many pieces to be listed there
}

// widePolicy is how many pieces a policy is listed for at most.
const widePolicy = 16

// newIndex makes one of the selectors of one side.
func newIndex(policies []*policy, side func(*policy) []sad.Selector) (x index) {
	for _, p := range policies {
		for _, s := range side(p) {
			x.from = append(x.from, s.First)
			if after := s.Last.Next(); after.IsValid() {
				x.from = append(x.from, after)
			}
		}
	}
	slices.SortFunc(x.from, netip.Addr.Compare)
	x.from = slices.Compact(x.from)
	x.of = make([][]int32, len(x.from))
	for i, p := range policies {
		var pieces []int
		for _, s := range side(p) {
			at, _ := slices.BinarySearchFunc(x.from, s.First, netip.Addr.Compare)
			for ; at < len(x.from) && x.from[at].Compare(s.Last) <= 0 && len(pieces) <= widePolicy; at++ {
				pieces = append(pieces, at)
			}
		}
		if len(pieces) > widePolicy {
			x.wide = append(x.wide, int32(i))
			continue
		}
		for _, at := range pieces {
			if l := x.of[at]; len(l) == 0 || l[len(l)-1] != int32(i) {
				x.of[at] = append(l, int32(i))
			}
		}
	}
	return x
}

// candidates are the policies that can match, in order.
type candidates struct{ narrow, wide []int32 }

// candidates gives those for an address.
func (x *index) candidates(a netip.Addr) candidates {
	at, exactly := slices.BinarySearchFunc(x.from, a, netip.Addr.Compare)
	if !exactly {
		at--
	}
	if at < 0 {
		return candidates{nil, x.wide}
	}
	return candidates{x.of[at], x.wide}
}

// candidates are those of the side that says more: a hub has many remote networks,
// and who reaches everything by tunnels has many local ones.
func (t *tables) candidates(f *flow, out bool) candidates {
	local, remote := f.dst, f.src
	if out {
		local, remote = f.src, f.dst
	}
	near, far := t.local.candidates(local), t.remote.candidates(remote)
	if near.len() < far.len() {
		return near
	}
	return far
}

func (c *candidates) len() int { return len(c.narrow) + len(c.wide) }

// next gives the number of the next one, or -1.
func (c *candidates) next() (n int32) {
	switch {
	case len(c.narrow) > 0 && (len(c.wide) == 0 || c.narrow[0] < c.wide[0]):
		n, c.narrow = c.narrow[0], c.narrow[1:]
	case len(c.wide) > 0:
		n, c.wide = c.wide[0], c.wide[1:]
	default:
		return -1
	}
	return n
}
