package xfrm

import (
	"encoding/binary"
	"net/netip"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"gatehouse/ipsec/sad"
)

// The messages of the kernel's linux/xfrm.h. Their integers are the host's but
// for what comes from a packet: addresses, ports, SPIs.

// Message types.
const (
	msgNewSA     = 0x10
	msgDeleteSA  = 0x11
	msgGetSA     = 0x12
	msgNewPolicy = 0x13
	msgDelPolicy = 0x14
	msgGetPolicy = 0x15
	msgAcquire   = 0x17
	msgExpire    = 0x18
	msgUpdPolicy = 0x19
	msgUpdSA     = 0x1a
	msgMigrate   = 0x21
	msgMapping   = 0x26
)

// Attributes.
const (
	attrCrypt     = 2
	attrEncap     = 4
	attrTemplates = 5
	attrReplay    = 10
	attrLastUsed  = 15
	attrMigrate   = 17
	attrAEAD      = 18
	attrAuthTrunc = 20
	attrTFC       = 22
	attrReplayESN = 23
	attrExtra     = 24
	attrMark      = 21
	attrOffload   = 28
	attrSetMark   = 29
	// attrSetMarkMask are the bits that attrSetMark writes.
	attrSetMarkMask = 30
	attrIfID        = 31
	attrDirection   = 33
	attrCPU         = 35
)

// Flags of an SA.
const (
	flagNoPMTU    = 4
	flagAnyFamily = 32
	flagAlign4    = 64 // AH of IPv4 is padded to 4 bytes (RFC 4302 section 2.6), not 8
	flagESN       = 128
	// extraNoDSCP: the outer DSCP is zero.
	extraNoDSCP = 1
)

// Sizes of structures in bytes.
const (
	sizeSelector  = 56
	sizeSA        = 224
	sizeSAID      = 24
	sizePolicy    = 168
	sizePolicyID  = 64
	sizeTemplate  = 64
	sizeAcquire   = 280
	sizeExpire    = 232
	sizeMapping   = 64
	sizeESNHead   = 24
	sizeReplay    = 12
	algorithmName = 64
	offsetSAID    = sizeSelector      // within an SA
	offsetCurrent = 56 + 24 + 16 + 64 // bytes, packets, times
	offsetStats   = offsetCurrent + 32
	offsetSAReqID = offsetStats + 12 + 4
	noLimit       = ^uint64(0)
	directionOut  = 2 // of an SA
	policyIn      = 0
	policyOut     = 1
	policyForward = 2
	actionAllow   = 0
	actionBlock   = 1
	modeTransport = 0
	modeTunnel    = 1
	anyAlgorithm  = ^uint32(0)
	encapESPinUDP = 2
	groupAcquire  = 1
	groupExpire   = 2
	groupMapping  = 8
)

var native = binary.NativeEndian

// writer appends what a structure is made of.
type writer struct{ b []byte }

func (w *writer) u8(v uint8)     { w.b = append(w.b, v) }
func (w *writer) u16(v uint16)   { w.b = native.AppendUint16(w.b, v) }
func (w *writer) u32(v uint32)   { w.b = native.AppendUint32(w.b, v) }
func (w *writer) u64(v uint64)   { w.b = native.AppendUint64(w.b, v) }
func (w *writer) net16(v uint16) { w.b = binary.BigEndian.AppendUint16(w.b, v) }
func (w *writer) net32(v uint32) { w.b = binary.BigEndian.AppendUint32(w.b, v) }
func (w *writer) zero(n int)     { w.b = append(w.b, make([]byte, n)...) }

// address is xfrm_address_t: 16 bytes, the first four of IPv4.
func (w *writer) address(a netip.Addr) {
	if !a.IsValid() {
		w.zero(16)
		return
	}
	b := a.AsSlice()
	w.b = append(w.b, b...)
	w.zero(16 - len(b))
}

func familyOf(a netip.Addr) uint16 {
	if a.Is4() {
		return unix.AF_INET
	}
	return unix.AF_INET6
}

// addressIn reads xfrm_address_t.
func addressIn(b []byte, family uint16) netip.Addr {
	if family == unix.AF_INET {
		return netip.AddrFrom4([4]byte(b))
	}
	return netip.AddrFrom16([16]byte(b))
}

// selector is xfrm_selector: prefixes, one protocol, ports under masks.
type selector struct {
	source, destination netip.Prefix
	protocol            uint8
	sport, dport        masked
}

// masked is a 16-bit value of which only some bits count.
type masked struct{ value, mask uint16 }

func (w *writer) selector(s selector) {
	w.address(s.destination.Addr())
	w.address(s.source.Addr())
	w.net16(s.dport.value)
	w.net16(s.dport.mask)
	w.net16(s.sport.value)
	w.net16(s.sport.mask)
	w.u16(familyOf(s.source.Addr()))
	w.u8(uint8(s.destination.Bits()))
	w.u8(uint8(s.source.Bits()))
	w.u8(s.protocol)
	w.zero(3)
	w.zero(8) // device and user
}

// selectorIn reads an xfrm_selector, which must be whole.
func selectorIn(b []byte) selector {
	be := binary.BigEndian
	family := native.Uint16(b[40:])
	return selector{
		destination: netip.PrefixFrom(addressIn(b, family), int(b[42])),
		source:      netip.PrefixFrom(addressIn(b[16:], family), int(b[43])),
		dport:       masked{be.Uint16(b[32:]), be.Uint16(b[34:])},
		sport:       masked{be.Uint16(b[36:]), be.Uint16(b[38:])},
		protocol:    b[44],
	}
}

// lifetime is xfrm_lifetime_cfg.
func (w *writer) lifetime(soft, hard sad.Bound) {
	or := func(n uint64) uint64 {
		if n == 0 {
			return noLimit
		}
		return n
	}
	w.u64(or(soft.Bytes))
	w.u64(or(hard.Bytes))
	w.u64(or(soft.Packets))
	w.u64(or(hard.Packets))
	w.u64(uint64(soft.Time.Seconds()))
	w.u64(uint64(hard.Time.Seconds()))
	w.zero(16) // by use
}

func (w *writer) saID(destination netip.Addr, spi sad.SPI, protocol sad.Protocol) {
	w.address(destination)
	w.net32(uint32(spi))
	w.u8(uint8(protocol))
	w.zero(3)
}

// algorithm is xfrm_algo, with icv (in bits) that of AEAD and of truncated
// integrity.
func algorithm(name string, key []byte, icv ...uint32) []byte {
	w := writer{make([]byte, algorithmName)}
	copy(w.b, name)
	w.u32(uint32(len(key)) * 8)
	for _, n := range icv {
		w.u32(n)
	}
	return append(w.b, key...)
}

func attribute(kind uint16, data []byte) netlink.Attribute {
	return netlink.Attribute{Type: kind, Data: data}
}

func u32Attribute(kind uint16, v uint32) netlink.Attribute {
	return attribute(kind, native.AppendUint32(nil, v))
}
