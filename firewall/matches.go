package firewall

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"strconv"

	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// The kernel's registers: a match loads into the first and compares there.
const (
	register       = 1
	secondRegister = 2
)

func equals(data []byte) expr.Any {
	return &expr.Cmp{Op: expr.CmpOpEq, Register: register, Data: data}
}

func inSet(names setNames, name string) expr.Any {
	return &expr.Lookup{SourceRegister: register, SetName: name, SetID: names[name]}
}

func verdictFrom(names setNames, name string) expr.Any {
	return &expr.Lookup{SourceRegister: register, SetName: name, SetID: names[name], IsDestRegSet: true}
}

// direction is the side of the gateway a device is on.
type direction bool

const (
	incoming direction = false
	outgoing direction = true
)

func (d direction) keyword() string {
	if d == outgoing {
		return "oifname"
	}
	return "iifname"
}

func (d direction) load(reg uint32) expr.Any {
	if d == outgoing {
		return &expr.Meta{Key: expr.MetaKeyOIFNAME, Register: reg}
	}
	return &expr.Meta{Key: expr.MetaKeyIIFNAME, Register: reg}
}

// device matches by name and not by index: the device of the tunnel may not
// exist yet when the perimeter goes up.
type device struct {
	side direction
	name string
}

func (m device) text() string { return m.side.keyword() + " " + strconv.Quote(m.name) }
func (m device) exprs(setNames) []expr.Any {
	return []expr.Any{m.side.load(register), equals(deviceKey(m.name))}
}

type deviceIn struct {
	side direction
	set  string
}

func (m deviceIn) text() string { return m.side.keyword() + " @" + m.set }
func (m deviceIn) exprs(n setNames) []expr.Any {
	return []expr.Any{m.side.load(register), inSet(n, m.set)}
}

// byDevice takes the verdict from a map of incoming devices.
type byDevice struct{ set string }

func (m byDevice) text() string { return "iifname vmap @" + m.set }
func (m byDevice) exprs(n setNames) []expr.Any {
	return []expr.Any{incoming.load(register), verdictFrom(n, m.set)}
}

// byDevicePair takes the verdict from a map of incoming and outgoing device.
type byDevicePair struct{ set string }

func (m byDevicePair) text() string { return "iifname . oifname vmap @" + m.set }
func (m byDevicePair) exprs(n setNames) []expr.Any {
	return []expr.Any{incoming.load(register), outgoing.load(secondRegister), verdictFrom(n, m.set)}
}

// byState takes the verdict from a map of connection states.
type byState struct{ set string }

func (m byState) text() string { return "ct state vmap @" + m.set }
func (m byState) exprs(n setNames) []expr.Any {
	return []expr.Any{&expr.Ct{Key: expr.CtKeySTATE, Register: register}, verdictFrom(n, m.set)}
}

// family is one of the two versions of IP.
type family byte

const (
	ipv4 family = unix.NFPROTO_IPV4
	ipv6 family = unix.NFPROTO_IPV6
	// eitherFamily is no match: what is said holds for both.
	eitherFamily family = unix.NFPROTO_UNSPEC
)

// digit is how the name of a set of the family ends.
func (f family) digit() string {
	if f == ipv6 {
		return "6"
	}
	return "4"
}

func familyOf(a netip.Addr) family {
	if a.Is4() {
		return ipv4
	}
	return ipv6
}

func (f family) text() string {
	if f == ipv4 {
		return "meta nfproto ipv4"
	}
	return "meta nfproto ipv6"
}

func (f family) exprs(setNames) []expr.Any {
	return []expr.Any{&expr.Meta{Key: expr.MetaKeyNFPROTO, Register: register}, equals([]byte{byte(f)})}
}

// addressField is the source or the destination in the IP header.
type addressField bool

const (
	source      addressField = false
	destination addressField = true
)

func (a addressField) keyword(f family) string {
	name := "ip"
	if f == ipv6 {
		name = "ip6"
	}
	if a == destination {
		return name + " daddr"
	}
	return name + " saddr"
}

// load reads the field (RFC 791 3.1, RFC 8200 3).
func (a addressField) load(f family) expr.Any {
	p := &expr.Payload{DestRegister: register, Base: expr.PayloadBaseNetworkHeader, Offset: 12, Len: 4}
	if f == ipv6 {
		p.Offset, p.Len = 8, 16
	}
	if a == destination {
		p.Offset += p.Len
	}
	return p
}

// address matches one prefix.
type address struct {
	field  addressField
	prefix netip.Prefix
}

func (m address) text() string {
	v := m.prefix.String()
	if m.prefix.IsSingleIP() {
		v = m.prefix.Addr().String()
	}
	return m.field.keyword(familyOf(m.prefix.Addr())) + " " + v
}

func (m address) exprs(n setNames) []expr.Any {
	f := familyOf(m.prefix.Addr())
	out := append(f.exprs(n), m.field.load(f))
	length := uint32(m.prefix.Addr().BitLen() / 8)
	if !m.prefix.IsSingleIP() {
		mask := make([]byte, length)
		for i := range m.prefix.Bits() {
			mask[i/8] |= 0x80 >> (i % 8)
		}
		out = append(out, &expr.Bitwise{
			SourceRegister: register, DestRegister: register, Len: length, Mask: mask, Xor: make([]byte, length),
		})
	}
	return append(out, equals(m.prefix.Masked().Addr().AsSlice()))
}

// addressIn matches a set of prefixes of one family.
type addressIn struct {
	field  addressField
	family family
	set    string
}

func (m addressIn) text() string { return m.field.keyword(m.family) + " @" + m.set }
func (m addressIn) exprs(n setNames) []expr.Any {
	return append(m.family.exprs(n), m.field.load(m.family), inSet(n, m.set))
}

// transport is the protocol above IP, by IANA's number.
type transport byte

const (
	overICMP   transport = unix.IPPROTO_ICMP
	overTCP    transport = unix.IPPROTO_TCP
	overUDP    transport = unix.IPPROTO_UDP
	overESP    transport = unix.IPPROTO_ESP
	overAH     transport = unix.IPPROTO_AH
	overICMPv6 transport = unix.IPPROTO_ICMPV6
)

// protections are the protocols of IPsec.
func protections() []transport { return []transport{overESP, overAH} }

func (t transport) name() string {
	switch t {
	case overICMP:
		return "icmp"
	case overTCP:
		return "tcp"
	case overUDP:
		return "udp"
	case overESP:
		return "esp"
	case overAH:
		return "ah"
	case overICMPv6:
		return "ipv6-icmp"
	}
	return strconv.Itoa(int(t))
}

func (t transport) text() string { return "meta l4proto " + t.name() }
func (t transport) exprs(setNames) []expr.Any {
	return []expr.Any{loadTransport(), equals([]byte{byte(t)})}
}

// port matches one range of ports of TCP or UDP.
type port struct {
	over  transport
	field addressField
	ports PortRange
}

func portKeyword(t transport, a addressField) string {
	if a == destination {
		return t.name() + " dport"
	}
	return t.name() + " sport"
}

func loadPort(a addressField) expr.Any {
	p := &expr.Payload{DestRegister: register, Base: expr.PayloadBaseTransportHeader, Offset: 0, Len: 2}
	if a == destination {
		p.Offset = 2
	}
	return p
}

func (m port) text() string { return portKeyword(m.over, m.field) + " " + m.ports.text() }
func (m port) exprs(n setNames) []expr.Any {
	out := append(m.over.exprs(n), loadPort(m.field))
	first, last := binary.BigEndian.AppendUint16(nil, m.ports.First), binary.BigEndian.AppendUint16(nil, m.ports.Last)
	if m.ports.First == m.ports.Last {
		return append(out, equals(first))
	}
	return append(out, atLeastAtMost(first, last)...)
}

type portIn struct {
	over  transport
	field addressField
	set   string
}

func (m portIn) text() string { return portKeyword(m.over, m.field) + " @" + m.set }
func (m portIn) exprs(n setNames) []expr.Any {
	return append(m.over.exprs(n), loadPort(m.field), inSet(n, m.set))
}

// onLink matches a hop limit of 255: the packet passed no router, so Neighbor
// Discovery in it comes from this very link (RFC 4861 7.1).
type onLink struct{}

func (onLink) text() string { return "ip6 hoplimit 255" }
func (onLink) exprs(n setNames) []expr.Any {
	return append(ipv6.exprs(n),
		&expr.Payload{DestRegister: register, Base: expr.PayloadBaseNetworkHeader, Offset: 7, Len: 1}, equals([]byte{255}))
}

// ownSource matches a source address that is this gateway's own.
type ownSource struct{}

func (ownSource) text() string { return "fib saddr type local" }
func (ownSource) exprs(setNames) []expr.Any {
	return []expr.Any{
		&expr.Fib{Register: register, ResultADDRTYPE: true, FlagSADDR: true},
		equals(binary.NativeEndian.AppendUint32(nil, unix.RTN_LOCAL)),
	}
}

// noWayBack matches a source that is not reached by the device the packet
// came from (RFC 3704 2.2, strict reverse path forwarding), or with anyDevice
// by none at all (2.4, loose).
type noWayBack struct{ anyDevice bool }

func (m noWayBack) text() string {
	if m.anyDevice {
		return "fib saddr oif missing"
	}
	return "fib saddr . iif oif missing"
}

func (m noWayBack) exprs(setNames) []expr.Any {
	return []expr.Any{
		&expr.Fib{Register: register, ResultOIF: true, FlagSADDR: true, FlagIIF: !m.anyDevice, FlagPRESENT: true},
		equals(make([]byte, 4)),
	}
}

// loopedBack matches the kernel's own copy of a multicast it sent
// (PACKET_LOOPBACK): it enters by the device it left by, with our own source.
type loopedBack struct{}

func (loopedBack) text() string { return fmt.Sprintf("meta pkttype %d", unix.PACKET_LOOPBACK) }
func (loopedBack) exprs(setNames) []expr.Any {
	return []expr.Any{&expr.Meta{Key: expr.MetaKeyPKTTYPE, Register: register}, equals([]byte{unix.PACKET_LOOPBACK})}
}

// metaSecPath is NFT_META_SECPATH of the kernel's nf_tables.h.
const metaSecPath = 25

// wasProtected matches what came by an SA of the kernel.
type wasProtected struct{}

func (wasProtected) text() string { return "meta ipsec exists" }
func (wasProtected) exprs(setNames) []expr.Any {
	return []expr.Any{&expr.Meta{Key: metaSecPath, Register: register}, equals([]byte{1})}
}

// toBeProtected matches what the kernel will encrypt on its way out: it passes
// postrouting once more under the device of the encrypted packet.
type toBeProtected struct{}

// rtIPsec is NFT_RT_XFRM of the kernel's nf_tables.h.
const rtIPsec = 4

func (toBeProtected) text() string { return "rt ipsec exists" }
func (toBeProtected) exprs(setNames) []expr.Any {
	return []expr.Any{&expr.Rt{Register: register, Key: rtIPsec}, equals([]byte{1})}
}
