package wire

import (
	"fmt"
	"net/netip"

	"golang.org/x/crypto/cryptobyte"
)

// Traffic selector types (RFC 7296 section 3.13.1).
const (
	TSIPv4 uint8 = 7
	TSIPv6 uint8 = 8
)

// TrafficSelector is RFC 7296 section 3.13.1. One of a type we do not know has
// no addresses and matches nothing.
type TrafficSelector struct {
	Type               uint8
	Protocol           uint8
	StartPort, EndPort uint16
	Start, End         netip.Addr
	// opaque is the body of an unknown type.
	opaque []byte
}

// addrLen is the length of one address in bytes; 0 for a type that we do not
// know.
func (s TrafficSelector) addrLen() int {
	switch s.Type {
	case TSIPv4:
		return 4
	case TSIPv6:
		return 16
	}
	return 0
}

// TS is a TSi or TSr payload (RFC 7296 section 3.13).
type TS struct {
	Responder bool // TSr
	Selectors []TrafficSelector
}

// Type is TSi or TSr.
func (p *TS) Type() PayloadType {
	if p.Responder {
		return TypeTSr
	}
	return TypeTSi
}

func (p *TS) appendBody(b *cryptobyte.Builder) {
	if len(p.Selectors) > maxSelectors {
		b.SetError(malformed(p.Type(), fmt.Sprintf("%d selectors are too many", len(p.Selectors))))
		return
	}
	b.AddUint8(uint8(len(p.Selectors)))
	b.AddUint24(0)
	for _, s := range p.Selectors {
		body := s.opaque
		if size := s.addrLen(); size != 0 {
			body = append(s.Start.AsSlice(), s.End.AsSlice()...)
			if s.Start.BitLen() != 8*size || s.End.BitLen() != 8*size {
				b.SetError(malformed(p.Type(), fmt.Sprintf("a selector of type %d from %s to %s", s.Type, s.Start, s.End)))
				return
			}
		}
		b.AddUint8(s.Type)
		b.AddUint8(s.Protocol)
		b.AddUint16(uint16(8 + len(body)))
		b.AddUint16(s.StartPort)
		b.AddUint16(s.EndPort)
		b.AddBytes(body)
	}
}

func parseTS(t PayloadType, s cryptobyte.String) (Payload, error) {
	p := &TS{Responder: t == TypeTSr}
	var count uint8
	if !s.ReadUint8(&count) || !s.Skip(3) {
		return nil, malformed(t, "cut off")
	}
	if int(count) > maxSelectors {
		return nil, malformed(t, "too many selectors")
	}
	// A selector is at least 8 bytes, so that a short payload cannot claim
	// memory by its count.
	p.Selectors = make([]TrafficSelector, 0, min(int(count), len(s)/8))
	for range count {
		sel, err := parseSelector(t, &s)
		if err != nil {
			return nil, err
		}
		p.Selectors = append(p.Selectors, sel)
	}
	if !s.Empty() {
		return nil, malformed(t, "bytes follow the last selector")
	}
	return p, nil
}

func parseSelector(t PayloadType, s *cryptobyte.String) (TrafficSelector, error) {
	var sel TrafficSelector
	var length uint16
	var body []byte
	if !s.ReadUint8(&sel.Type) || !s.ReadUint8(&sel.Protocol) || !s.ReadUint16(&length) ||
		!s.ReadUint16(&sel.StartPort) || !s.ReadUint16(&sel.EndPort) ||
		length < 8 || !s.ReadBytes(&body, int(length)-8) {
		return sel, malformed(t, "a selector is cut off")
	}
	size := sel.addrLen()
	if size == 0 {
		sel.opaque = body
		return sel, nil
	}
	if len(body) != 2*size {
		return sel, malformed(t, fmt.Sprintf("a selector has %d bytes of addresses", len(body)))
	}
	sel.Start, _ = netip.AddrFromSlice(body[:size])
	sel.End, _ = netip.AddrFromSlice(body[size:])
	return sel, nil
}
