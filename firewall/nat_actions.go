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

func (translated) text() string              { return "ct status dnat" }
func (translated) exprs(setNames) []expr.Any { return statusHas(ipsDstNAT) }

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

// destinationByPort changes the destination, and the port to what a map has for
// it.
type destinationByPort struct {
	to    netip.Addr
	over  transport
	ports string // the map
}

func (a destinationByPort) text() string {
	keyword, host := "dnat ip to ", a.to.String()
	if a.to.Is6() {
		keyword, host = "dnat ip6 to ", "["+host+"]"
	}
	return keyword + host + ":" + portKeyword(a.over, destination) + " map @" + a.ports
}

func (a destinationByPort) exprs(n setNames) []expr.Any {
	load := loadPort(destination).(*expr.Payload)
	load.DestRegister = secondRegister
	return []expr.Any{
		&expr.Immediate{Register: register, Data: a.to.AsSlice()},
		load,
		&expr.Lookup{SourceRegister: secondRegister, DestRegister: secondRegister, IsDestRegSet: true, SetName: a.ports, SetID: n[a.ports]},
		&expr.NAT{Type: expr.NATTypeDestNAT, Family: uint32(familyOf(a.to)), RegAddrMin: register, RegProtoMin: secondRegister, Specified: true},
	}
}

// networkTo gives the source or the destination another network and keeps the
// host's bits.
type networkTo struct {
	field   addressField
	network netip.Prefix
}

func (a networkTo) text() string {
	keyword := map[addressField]string{source: "snat ", destination: "dnat "}[a.field]
	if a.network.Addr().Is6() {
		return keyword + "ip6 prefix to " + a.network.String()
	}
	return keyword + "ip prefix to " + a.network.String()
}

func (a networkTo) exprs(setNames) []expr.Any {
	kind := map[addressField]expr.NATType{source: expr.NATTypeSourceNAT, destination: expr.NATTypeDestNAT}[a.field]
	return []expr.Any{
		&expr.Immediate{Register: register, Data: a.network.Addr().AsSlice()},
		&expr.Immediate{Register: secondRegister, Data: lastOf(a.network).AsSlice()},
		&expr.NAT{Type: kind, Family: uint32(familyOf(a.network.Addr())), RegAddrMin: register, RegAddrMax: secondRegister, Prefix: true},
	}
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
