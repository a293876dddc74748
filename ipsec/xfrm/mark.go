package xfrm

import (
	"fmt"
	"slices"

	"gatehouse/ipsec/sad"
)

// What the kernel's policies cannot match is told them by a mark: rules of nf_tables
// (marking.go) compare a packet with what the policies say, and write into its mark
// which of those policies is the first that matches and what labels it carries. The
// policies of the kernel compare the mark.
//
// The lowest byte of a mark is of who routes: Config.Mark and the uplinks. Above it
// stand the number of a policy, a bit for each label, and the bit that says that the
// rules have seen the packet. What they have not seen is blocked, so that nothing
// passes when the rules are gone.
const (
	routeMask   = 0xff
	numberShift = 8
	numberMask  = 0x7ff << numberShift
	labelShift  = 19
	seenMark    = 1 << 31
)

// mark is a value of which only the bits of the mask count.
type mark struct{ value, mask uint32 }

// and is the mark with another bit that must be set.
func (m mark) and(bit uint32) mark { return mark{m.value | bit, m.mask | bit} }

// marking says how policies and labels are marked.
type marking struct {
	// numbers are those of policies that the kernel cannot match, by their ID.
	numbers map[uint32]uint32
	// labels are their bits, at their place.
	labels map[string]uint32
	// tunnel says that what goes by the device is marked, host what goes between
	// this host and its peers.
	tunnel, host bool
}

// manyEntries of one policy in one direction are better told by a mark.
const manyEntries = 64

// beyond says whether the kernel's policies cannot match what a policy does.
func beyond(pol sad.Policy) bool {
	if len(pol.Class.DSCP)+len(pol.Class.FlowLabels)+len(pol.Labels) > 0 {
		return true
	}
	all, err := selectors(pol.LocalTS, pol.RemoteTS)
	return err != nil || len(all) > manyEntries
}

// marked gives numbers and bits to what needs them. What had some keeps them, and
// new ones are others if there are any: until the rules are replaced, packets have
// the old ones.
func (m marking) marked(policies []sad.Policy) (marking, error) {
	next := marking{numbers: map[uint32]uint32{}, labels: map[string]uint32{}}
	for _, pol := range policies {
		next.host = next.host || hostToHost(pol)
		if pol.Action == sad.Demand {
			next.tunnel = true
			if bit, had := m.labels[pol.Labels[0]]; had {
				next.labels[pol.Labels[0]] = bit
			}
		} else if beyond(pol) {
			next.tunnel = next.tunnel || !hostToHost(pol)
			if n, had := m.numbers[pol.ID]; had {
				next.numbers[pol.ID] = n
			}
		}
	}
	oldNumbers, oldBits := values(m.numbers), values(m.labels)
	numbers, bits := values(next.numbers), values(next.labels)
	for _, pol := range policies {
		if pol.Action == sad.Demand {
			if _, has := next.labels[pol.Labels[0]]; has {
				continue
			}
			bit := free(sad.MaxLabels, func(i uint32) uint32 { return 1 << (labelShift + i - 1) }, bits, oldBits)
			next.labels[pol.Labels[0]], bits = bit, append(bits, bit)
		} else if beyond(pol) {
			if _, has := next.numbers[pol.ID]; has {
				continue
			}
			n := free(numberMask>>numberShift, func(i uint32) uint32 { return i << numberShift }, numbers, oldNumbers)
			if n == 0 {
				return m, fmt.Errorf("policy %q: the kernel's data plane can mark %d policies that the kernel itself cannot match", pol.Name, numberMask>>numberShift)
			}
			next.numbers[pol.ID], numbers = n, append(numbers, n)
		}
	}
	return next, nil
}

// free is the first of some values that nobody has, or that nobody has any more; 0
// if there is none.
func free(n uint32, value func(uint32) uint32, taken, before []uint32) uint32 {
	var second uint32
	for i := uint32(1); i <= n; i++ {
		v := value(i)
		if slices.Contains(taken, v) {
			continue
		}
		if !slices.Contains(before, v) {
			return v
		}
		if second == 0 {
			second = v
		}
	}
	return second
}

func values[K comparable](m map[K]uint32) (out []uint32) {
	for _, v := range m {
		out = append(out, v)
	}
	return out
}

// of is the mark that an entry of a policy compares.
func (m marking) of(pol sad.Policy, host bool) mark {
	if host && !m.host || !host && !m.tunnel {
		return mark{}
	}
	out := mark{seenMark, seenMark}
	if n := m.numbers[pol.ID]; n != 0 {
		out.value, out.mask = out.value|n, out.mask|numberMask
	}
	return out
}

// labelled are the bits of some labels.
func (m marking) labelled(labels []string) (bits uint32) {
	for _, l := range labels {
		bits |= m.labels[l]
	}
	return bits
}

// hostToHost says whether a policy asks for transport mode and nothing else: it is
// between this host and a peer on their own way, not through the device.
func hostToHost(pol sad.Policy) bool {
	return len(pol.Needs) > 0 && !slices.ContainsFunc(pol.Needs, func(n sad.Need) bool { return n.Mode != sad.Transport })
}
