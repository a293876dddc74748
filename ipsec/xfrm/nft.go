package xfrm

import (
	"encoding/binary"
	"net/netip"

	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"

	"gatehouse/ipsec/sad"
)

// Matches and statements of nf_tables, as the kernel takes them: each loads into
// the first register and compares there.
const register = 1

type matches []expr.Any

func join(all ...matches) (out matches) {
	for _, m := range all {
		out = append(out, m...)
	}
	return out
}

func equals(b ...byte) expr.Any { return &expr.Cmp{Op: expr.CmpOpEq, Register: register, Data: b} }

func differs(b ...byte) expr.Any { return &expr.Cmp{Op: expr.CmpOpNeq, Register: register, Data: b} }

func field(base expr.PayloadBase, at, length uint32) expr.Any {
	return &expr.Payload{DestRegister: register, Base: base, Offset: at, Len: length}
}

func under(mask ...byte) expr.Any {
	return &expr.Bitwise{SourceRegister: register, DestRegister: register, Len: uint32(len(mask)), Mask: mask, Xor: make([]byte, len(mask))}
}

func ofFamily(v6 bool) matches {
	family := byte(unix.NFPROTO_IPV4)
	if v6 {
		family = unix.NFPROTO_IPV6
	}
	return matches{&expr.Meta{Key: expr.MetaKeyNFPROTO, Register: register}, equals(family)}
}

func ofProtocol(protocol uint8) matches {
	return matches{&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: register}, equals(protocol)}
}

// byDevice compares the name: the device need not be there yet.
func byDevice(key expr.MetaKey, name string, is bool) matches {
	b := make([]byte, unix.IFNAMSIZ)
	copy(b, name)
	compare := equals(b...)
	if !is {
		compare = differs(b...)
	}
	return matches{&expr.Meta{Key: key, Register: register}, compare}
}

// within compares the source or the destination with a range.
func within(first, last netip.Addr, source bool) matches {
	at, length := uint32(12), uint32(4)
	if first.Is6() {
		at, length = 8, 16
	}
	if !source {
		at += length
	}
	return join(ofFamily(first.Is6()), matches{field(expr.PayloadBaseNetworkHeader, at, length),
		&expr.Range{Op: expr.CmpOpEq, Register: register, FromData: first.AsSlice(), ToData: last.AsSlice()}})
}

// portIn compares a port, or type and code of ICMP, which have its length and are
// on both sides.
func portIn(protocol uint8, first, last uint16, source bool) matches {
	at := uint32(0)
	if !source && protocol != protoICMP && protocol != protoICMPv6 {
		at = 2
	}
	be := binary.BigEndian
	return join(ofProtocol(protocol), matches{field(expr.PayloadBaseTransportHeader, at, 2),
		&expr.Range{Op: expr.CmpOpEq, Register: register, FromData: be.AppendUint16(nil, first), ToData: be.AppendUint16(nil, last)}})
}

// laterFragment matches packets whose ports cannot be seen.
func laterFragment(v6 bool) matches {
	if v6 {
		const fragment = 44
		return matches{&expr.Exthdr{DestRegister: register, Type: fragment, Offset: 2, Len: 2, Op: expr.ExthdrOpIpv6},
			under(0xff, 0xf8), differs(0, 0)}
	}
	return matches{field(expr.PayloadBaseNetworkHeader, 6, 2), under(0x1f, 0xff), differs(0, 0)}
}

// withPorts are the protocols whose packets have ports, or type and code.
var withPorts = []uint8{protoTCP, protoUDP, protoSCTP, protoDCCP, protoUDPLite, protoICMP, protoICMPv6}

// side are the ways in which a packet can match a selector on one side.
func side(s sad.Selector, source bool) (out []matches) {
	address := within(s.First, s.Last, source)
	protocol := matches(nil)
	if s.Protocol != 0 {
		protocol = ofProtocol(s.Protocol)
	}
	if s.Opaque() {
		return []matches{join(address, protocol, laterFragment(s.First.Is6()))}
	}
	if s.FirstPort == 0 && s.LastPort == 65535 {
		return []matches{join(address, protocol)}
	}
	others := address
	for _, p := range withPorts {
		if s.Protocol == 0 || s.Protocol == p {
			out = append(out, join(address, portIn(p, s.FirstPort, s.LastPort, source)))
		}
		others = join(others, matches{&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: register}, differs(p)})
	}
	if s.FirstPort == 0 { // the port of what has none
		out = append(out, join(others, protocol))
	}
	return out
}

// ofDSCP are the ways in which a packet can be of a DSCP: the upper six bits of
// the IPv4 TOS byte or of the IPv6 traffic class.
func ofDSCP(d uint8) []matches {
	return []matches{
		join(ofFamily(false), matches{field(expr.PayloadBaseNetworkHeader, 1, 1), under(0xfc), equals(d << 2)}),
		join(ofFamily(true), matches{field(expr.PayloadBaseNetworkHeader, 0, 2), under(0x0f, 0xc0), equals(d>>2, d<<6)}),
	}
}

func ofFlowLabel(l uint32) matches {
	return join(ofFamily(true), matches{field(expr.PayloadBaseNetworkHeader, 1, 3), under(0x0f, 0xff, 0xff), equals(byte(l>>16), byte(l>>8), byte(l))})
}

// markedWith compares some bits of the mark.
func markedWith(bits uint32, op expr.CmpOp, value uint32) matches {
	return matches{&expr.Meta{Key: expr.MetaKeyMARK, Register: register}, under(native.AppendUint32(nil, bits)...),
		&expr.Cmp{Op: op, Register: register, Data: native.AppendUint32(nil, value)}}
}

// setMark writes bits into the mark, of which it keeps some others.
func setMark(keep, bits uint32) matches {
	return matches{&expr.Meta{Key: expr.MetaKeyMARK, Register: register},
		&expr.Bitwise{SourceRegister: register, DestRegister: register, Len: 4,
			Mask: native.AppendUint32(nil, keep&^bits), Xor: native.AppendUint32(nil, bits)},
		&expr.Meta{Key: expr.MetaKeyMARK, Register: register, SourceRegister: true}}
}

func then(kind expr.VerdictKind, chain string) matches {
	return matches{&expr.Verdict{Kind: kind, Chain: chain}}
}
