package firewall

import (
	"encoding/binary"
	"fmt"
	"net/netip"

	"github.com/google/nftables/expr"
)

// ipsDstNAT is the bit of a connection's status that says that its
// destination was translated (IPS_DST_NAT of the kernel's
// nf_conntrack_common.h).
const ipsDstNAT = 1 << 5

// translated matches connections whose destination destinationNAT changed.
type translated struct{}

func (translated) text() string { return "ct status dnat" }
func (translated) exprs(setNames) []expr.Any {
	bit := binary.NativeEndian.AppendUint32(nil, ipsDstNAT)
	return []expr.Any{
		&expr.Ct{Key: expr.CtKeySTATUS, Register: register},
		&expr.Bitwise{SourceRegister: register, DestRegister: register, Len: 4, Mask: bit, Xor: make([]byte, 4)},
		&expr.Cmp{Op: expr.CmpOpNeq, Register: register, Data: make([]byte, 4)},
	}
}

// destinationTo changes the destination; port 0 leaves the port.
type destinationTo struct {
	to   netip.Addr
	port uint16
}

func (a destinationTo) text() string {
	keyword, host := "dnat ip to ", a.to.String()
	if a.to.Is6() {
		keyword = "dnat ip6 to "
	}
	if a.port == 0 {
		return keyword + host
	}
	if a.to.Is6() {
		host = "[" + host + "]"
	}
	return fmt.Sprintf("%s%s:%d", keyword, host, a.port)
}

func (a destinationTo) exprs(setNames) []expr.Any {
	nat := &expr.NAT{Type: expr.NATTypeDestNAT, Family: uint32(familyOf(a.to)), RegAddrMin: register}
	out := []expr.Any{&expr.Immediate{Register: register, Data: a.to.AsSlice()}}
	if a.port != 0 {
		nat.RegProtoMin, nat.Specified = secondRegister, true
		out = append(out, &expr.Immediate{Register: secondRegister, Data: binary.BigEndian.AppendUint16(nil, a.port)})
	}
	return append(out, nat)
}

// sourceTo changes the source.
type sourceTo struct{ to netip.Addr }

func (a sourceTo) text() string {
	if a.to.Is6() {
		return "snat ip6 to " + a.to.String()
	}
	return "snat ip to " + a.to.String()
}

func (a sourceTo) exprs(setNames) []expr.Any {
	return []expr.Any{
		&expr.Immediate{Register: register, Data: a.to.AsSlice()},
		&expr.NAT{Type: expr.NATTypeSourceNAT, Family: uint32(familyOf(a.to)), RegAddrMin: register},
	}
}
