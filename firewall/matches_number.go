package firewall

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
)

// loadTransport reads the protocol above IP, behind IPv6's extension headers.
func loadTransport() expr.Any { return &expr.Meta{Key: expr.MetaKeyL4PROTO, Register: register} }

// atLeastAtMost matches what lies between two keys, both included.
func atLeastAtMost(first, last []byte) []expr.Any {
	return []expr.Any{
		&expr.Cmp{Op: expr.CmpOpGte, Register: register, Data: first},
		&expr.Cmp{Op: expr.CmpOpLte, Register: register, Data: last},
	}
}

// transports matches a range of protocol numbers.
type transports NumberRange

func (m transports) text() string { return "meta l4proto " + NumberRange(m).text() }
func (m transports) exprs(setNames) []expr.Any {
	return append([]expr.Any{loadTransport()}, atLeastAtMost([]byte{m.First}, []byte{m.Last})...)
}

// transportIn matches a set of protocol numbers.
type transportIn struct{ set string }

func (m transportIn) text() string { return "meta l4proto @" + m.set }
func (m transportIn) exprs(n setNames) []expr.Any {
	return []expr.Any{loadTransport(), inSet(n, m.set)}
}

func (n NumberRange) text() string {
	if n.First == n.Last {
		return strconv.Itoa(int(n.First))
	}
	return fmt.Sprintf("%d-%d", n.First, n.Last)
}

// disjointNumbers merges ranges that overlap or touch.
func disjointNumbers(in []NumberRange) []NumberRange {
	in = slices.Clone(in)
	slices.SortFunc(in, func(a, b NumberRange) int { return cmp.Compare(a.First, b.First) })
	var out []NumberRange
	for _, r := range in {
		if n := len(out); n > 0 && int(r.First) <= int(out[n-1].Last)+1 {
			out[n-1].Last = max(out[n-1].Last, r.Last)
			continue
		}
		out = append(out, r)
	}
	return out
}

func keyNumber() keyKind {
	return keyKind{"inet_proto", nftables.TypeInetProto, true, binaryutil.BigEndian}
}

func numberSet(name string, numbers []NumberRange) set {
	s := set{name: name, key: keyNumber()}
	for _, n := range numbers {
		s.elements = append(s.elements, element{label: n.text(), key: []byte{n.First}, last: []byte{n.Last}})
	}
	return s
}
