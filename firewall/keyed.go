package firewall

import (
	"encoding/binary"
	"strconv"
	"strings"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
)

// shape is what the elements of one verdict map have in common: the fields
// that are looked up, and whether they are ranges.
type shape struct {
	has    fields
	family family
	ranges bool
}

// keyable says whether the fields can be a key. The family alone is none, and
// without an address it does not come with one.
func (s shape) keyable() bool {
	address := s.has&(hasSource|hasDestination) != 0
	return s.has != 0 && address == (s.has&hasFamily != 0)
}

// concatenated says that a key has more than one field.
func (s shape) concatenated() bool {
	without := s.has &^ hasFamily
	return without&(without-1) != 0
}

// each calls fn for the fields of a key in order.
func (s shape) each(fn func(f fields, bytes int)) {
	addressBytes := 4
	if s.family == ipv6 {
		addressBytes = 16
	}
	for _, f := range []struct {
		field fields
		bytes int
	}{{hasSource, addressBytes}, {hasDestination, addressBytes}, {hasTransport, 1}, {hasPort, 2}} {
		if s.has&f.field != 0 {
			fn(f.field, f.bytes)
		}
	}
}

// key is the type of a map of this shape.
func (s shape) key() keyKind {
	var types []nftables.SetDatatype
	s.each(func(f fields, _ int) {
		switch {
		case f == hasTransport:
			types = append(types, nftables.TypeInetProto)
		case f == hasPort:
			types = append(types, nftables.TypeInetService)
		case s.family == ipv6:
			types = append(types, nftables.TypeIP6Addr)
		default:
			types = append(types, nftables.TypeIPAddr)
		}
	})
	if len(types) == 1 {
		return keyKind{name: types[0].Name, datatype: types[0], interval: s.ranges, order: binaryutil.BigEndian}
	}
	all := nftables.MustConcatSetType(types...)
	return keyKind{name: all.Name, datatype: all, interval: s.ranges, order: binaryutil.BigEndian}
}

// element is a box as an element of a map of this shape.
func (s shape) element(b *box, to verdict) element {
	var e element
	padded := s.concatenated()
	words := make([]string, 0, 4)
	add := func(label string, first, last []byte) {
		words = append(words, label)
		// A field of a concatenation fills registers of 4 bytes.
		for padded && len(first)%4 != 0 {
			first, last = append(first, 0), append(last, 0)
		}
		e.key, e.last = append(e.key, first...), append(e.last, last...)
	}
	s.each(func(f fields, _ int) {
		switch f {
		case hasSource:
			add(b.src.String(), b.src.First.AsSlice(), b.src.Last.AsSlice())
		case hasDestination:
			add(b.dst.String(), b.dst.First.AsSlice(), b.dst.Last.AsSlice())
		case hasTransport:
			add(b.over.name(), []byte{byte(b.over)}, []byte{byte(b.over)})
		case hasPort:
			add(b.ports.text(), binary.BigEndian.AppendUint16(nil, b.ports.First), binary.BigEndian.AppendUint16(nil, b.ports.Last))
		}
	})
	e.label, e.verdict = strings.Join(words, " . "), to
	return e
}

// byKey takes the verdict from a map under several fields at once.
type byKey struct {
	shape shape
	set   string
}

func (m byKey) text() string {
	var words []string
	m.shape.each(func(f fields, _ int) {
		switch f {
		case hasSource:
			words = append(words, source.keyword(m.shape.family))
		case hasDestination:
			words = append(words, destination.keyword(m.shape.family))
		case hasTransport:
			words = append(words, "meta l4proto")
		case hasPort:
			words = append(words, "th dport")
		}
	})
	return strings.Join(words, " . ") + " vmap @" + m.set
}

// smallRegister is the first of the kernel's registers of 4 bytes; it is where
// register 1 begins, too.
const smallRegister = 8

func (m byKey) exprs(n setNames) []expr.Any {
	var out []expr.Any
	if m.shape.has&hasFamily != 0 {
		out = m.shape.family.exprs(n)
	}
	at := 0
	m.shape.each(func(f fields, bytes int) {
		reg := uint32(register)
		if at > 0 {
			reg = smallRegister + uint32(at)/4
		}
		switch f {
		case hasTransport:
			out = append(out, &expr.Meta{Key: expr.MetaKeyL4PROTO, Register: reg})
		case hasSource, hasDestination, hasPort:
			var p *expr.Payload
			switch f {
			case hasSource:
				p = source.load(m.shape.family).(*expr.Payload)
			case hasDestination:
				p = destination.load(m.shape.family).(*expr.Payload)
			default:
				p = loadPort(destination).(*expr.Payload)
			}
			p.DestRegister = reg
			out = append(out, p)
		}
		at += (bytes + 3) / 4 * 4
	})
	return append(out, verdictFrom(n, m.set))
}

// mapName is the nth map of a chain.
func mapName(chain string, n int) string { return chain + "_" + strconv.Itoa(n) }
