package xfrm

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"gatehouse/ipsec/sad"
)

// addresses are where packets of an SA come from and go to.
func addresses(sa sad.SA) (source, destination netip.Addr) {
	if sa.Direction == sad.In {
		return sa.Remote, sa.Local
	}
	return sa.Local, sa.Remote
}

// soonSequence is when the last quarter of 32-bit sequence numbers begins.
const soonSequence = 1 << 32 / 4 * 3

// message is struct xfrm_usersa_info and its attributes, and what of it SAs are
// compared by.
type message struct {
	body        []byte
	attributes  []netlink.Attribute
	mode, flags uint8
	reqid       uint32
}

// saMessage is XFRM_MSG_NEWSA.
func saMessage(sa sad.SA, ifID, reqid uint32) (message, error) {
	attributes, err := algorithms(sa)
	if err != nil {
		return message{}, err
	}
	source, destination := addresses(sa)
	soft := sa.Lifetime.Soft
	if sa.Direction == sad.Out && !sa.ESN && (soft.Packets == 0 || soft.Packets > soonSequence) {
		soft.Packets = soonSequence // the kernel stops at the end and does not warn before it
	}
	// A tunnel carries both families, and what is around a tunnel does; the
	// selector of an SA is anything.
	mode, flags, extra := uint8(modeTunnel), uint8(flagAnyFamily), uint32(0)
	if sa.Mode == sad.Transport {
		mode = modeTransport
	}
	if sa.ESN {
		flags |= flagESN
	}
	if sa.Protocol == sad.AH && sa.Local.Is4() {
		flags |= flagAlign4
	}
	switch {
	case sa.Outer.DF == sad.ClearDF:
		flags |= flagNoPMTU
	case sa.Outer.DF == sad.SetDF:
		return message{}, errors.New("the kernel copies the DF bit or clears it, it does not set it")
	}
	switch {
	case sa.Outer.FixedDSCP && sa.Outer.DSCP != 0:
		return message{}, errors.New("the kernel copies the DSCP or makes it zero")
	case sa.Outer.FixedDSCP:
		extra |= extraNoDSCP
	}
	if sa.Outer.HopLimit != 0 || sa.Outer.Dummies != 0 {
		return message{}, errors.New("the kernel sets no hop limit of an SA and sends no dummy packets")
	}
	if sa.Mode == sad.Either {
		return message{}, errors.New("an SA of the kernel is of tunnel or of transport mode")
	}
	w := writer{}
	w.zero(sizeSelector)
	w.saID(destination, sa.SPI, sa.Protocol)
	w.address(source)
	w.lifetime(soft, sa.Lifetime.Hard)
	w.zero(32 + 12) // what it has carried
	w.u32(0)
	w.u32(reqid)
	w.u16(familyOf(sa.Local))
	w.u8(mode)
	w.u8(0) // the window is in an attribute
	w.u8(flags)
	w.zero(7)

	if ifID != 0 {
		attributes = append(attributes, u32Attribute(attrIfID, ifID))
	}
	if extra != 0 {
		attributes = append(attributes, u32Attribute(attrExtra, extra))
	}
	if sa.Outer.PadTo > 0 && sa.Direction == sad.Out {
		attributes = append(attributes, u32Attribute(attrTFC, uint32(sa.Outer.PadTo)))
	}
	if sa.Encap != nil {
		e := writer{}
		from, to := sa.Encap.LocalPort, sa.Encap.RemotePort
		if sa.Direction == sad.In {
			from, to = to, from
		}
		e.u16(encapESPinUDP)
		e.net16(from)
		e.net16(to)
		e.zero(2 + 16)
		attributes = append(attributes, attribute(attrEncap, e.b))
	}
	if window := windowOf(sa); window > 0 || sa.ESN || sa.Sent > 0 {
		attributes = append(attributes, attribute(attrReplayESN, replayState(sa, max(window, 1))))
	}
	return message{w.b, attributes, mode, flags, reqid}, nil
}

// windowOf is the replay window in packets. Outbound SAs need a counter of
// their own only with extended sequence numbers or when they go on counting, and
// kernels from 6.10 on want their window to be zero.
func windowOf(sa sad.SA) uint32 {
	if sa.Direction == sad.In {
		return sa.ReplayWindow
	}
	return 0
}

// replayState is struct xfrm_replay_state_esn: the counters and the window,
// which the older attribute limits to 32 packets.
func replayState(sa sad.SA, window uint32) []byte {
	const word = 32
	w := writer{}
	words := (window + word - 1) / word
	w.u32(words)
	w.u32(uint32(sa.Sent))
	w.u32(uint32(sa.Seen))
	w.u32(uint32(sa.Sent >> 32))
	w.u32(uint32(sa.Seen >> 32))
	w.u32(window)
	for range words {
		if sa.Seen > 0 {
			w.u32(^uint32(0)) // everything up to Seen was seen
		} else {
			w.u32(0)
		}
	}
	return w.b
}

// errGone says that the kernel does not have an SA.
var errGone = errors.New("no such SA")

// usage is XFRM_MSG_GETSA.
func (c *conn) usage(sa sad.SA) (sad.Usage, error) {
	messages, err := c.ask(msgGetSA, 0, nameOf(referenceTo(sa)), nil)
	if errors.Is(err, unix.ESRCH) || errors.Is(err, unix.ENOENT) {
		return sad.Usage{}, errGone
	}
	if err != nil {
		return sad.Usage{}, err
	}
	if len(messages) != 1 || len(messages[0].Data) < sizeSA {
		return sad.Usage{}, fmt.Errorf("SA %s: the kernel's answer is cut off", sa.SPI)
	}
	b := messages[0].Data
	u := sad.Usage{Bytes: native.Uint64(b[offsetCurrent:]), Packets: native.Uint64(b[offsetCurrent+8:])}
	if t := native.Uint64(b[offsetCurrent+24:]); t > 0 {
		u.Last = time.Unix(int64(t), 0) // of its first use, where the kernel does not tell more
	}
	u.Replayed = uint64(native.Uint32(b[offsetStats+4:]))
	u.Invalid = uint64(native.Uint32(b[offsetStats+8:]))
	attributes, err := netlink.UnmarshalAttributes(b[sizeSA:])
	if err != nil {
		return sad.Usage{}, err
	}
	for _, a := range attributes {
		switch {
		case a.Type == attrReplayESN:
			sent, seen := counters(a.Data)
			u.Sequence = seen
			if sa.Direction == sad.Out {
				u.Sequence = sent
			}
		case a.Type == attrLastUsed && len(a.Data) >= 8:
			if t := native.Uint64(a.Data); t > 0 {
				u.Last = time.Unix(int64(t), 0)
			}
		}
	}
	return u, nil
}

// counters reads the sequence numbers of a struct xfrm_replay_state_esn.
func counters(b []byte) (sent, seen uint64) {
	if len(b) < sizeESNHead {
		return 0, 0
	}
	return uint64(native.Uint32(b[12:]))<<32 | uint64(native.Uint32(b[4:])), uint64(native.Uint32(b[16:]))<<32 | uint64(native.Uint32(b[8:]))
}

// nameOf is struct xfrm_usersa_id, by which the kernel is asked for an SA or told
// to remove it.
func nameOf(r reference) []byte {
	w := writer{}
	w.address(r.destination)
	w.net32(uint32(r.spi))
	w.u16(familyOf(r.destination))
	w.u8(uint8(r.protocol))
	w.zero(1)
	return w.b
}
