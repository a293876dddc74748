package xfrm

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
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

// maxSequence is the last of them.
const maxSequence = 1<<32 - 1

// message is struct xfrm_usersa_info and its attributes, and what of it SAs are
// compared by.
type message struct {
	body        []byte
	attributes  []netlink.Attribute
	mode, flags uint8
	reqid       uint32
}

// saMessage is XFRM_MSG_NEWSA. What goes out by the SA gets the mark routeMark.
func saMessage(sa sad.SA, ifID, reqid, routeMark uint32) (message, error) {
	attributes, err := algorithms(sa)
	if err != nil {
		return message{}, err
	}
	source, destination := addresses(sa)
	soft := sa.Lifetime.Soft
	if rest := soonSequence - min(sa.Sent, soonSequence-1); sa.Direction == sad.Out && !sa.ESN && (soft.Packets == 0 || soft.Packets > rest) {
		soft.Packets = rest // the kernel stops at the end and does not warn before it
	}
	hard := sa.Lifetime.Hard
	if left := max(maxSequence-sa.Sent, 1); sa.Direction == sad.Out && !sa.ESN && (hard.Packets == 0 || hard.Packets > left) {
		hard.Packets = left // nor does it tell of the end
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
	w.lifetime(soft, hard)
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
	if routeMark != 0 && sa.Direction == sad.Out {
		attributes = append(attributes, u32Attribute(attrSetMark, routeMark), u32Attribute(attrSetMarkMask, ^uint32(0)))
	}
	if extra != 0 {
		attributes = append(attributes, u32Attribute(attrExtra, extra))
	}
	if sa.Outer.PadTo > 0 && sa.Direction == sad.Out {
		attributes = append(attributes, u32Attribute(attrTFC, uint32(sa.Outer.PadTo)))
	}
	if sa.Encap != nil {
		attributes = append(attributes, encapOf(sa))
	}
	if sa.CPU != nil {
		// Such an SA has to say its direction, and has no window then.
		attributes = append(attributes, u32Attribute(attrCPU, *sa.CPU), attribute(attrDirection, []byte{directionOut}))
		if sa.ESN || sa.Sent > 0 {
			attributes = append(attributes, attribute(attrReplayESN, replayState(sa, 0)))
		}
	} else if window := windowOf(sa); window > 0 || sa.ESN || sa.Sent > 0 {
		attributes = append(attributes, attribute(attrReplayESN, replayState(sa, max(window, 1))))
	}
	return message{w.b, attributes, mode, flags, reqid}, nil
}

// add is XFRM_MSG_NEWSA. offload asks a network device to encrypt; it says whether
// that does.
func (c *conn) add(sa sad.SA, m message, offload []byte) (offloaded bool, err error) {
	err = unix.EINVAL
	if offload != nil {
		err = c.do(msgNewSA, netlink.Create|netlink.Excl, m.body, append(slices.Clone(m.attributes), attribute(attrOffload, offload)))
	}
	if err != nil && !errors.Is(err, unix.EEXIST) { // devices have limits of their own
		err = c.do(msgNewSA, netlink.Create|netlink.Excl, m.body, m.attributes)
	}
	switch {
	case errors.Is(err, unix.EEXIST):
		return false, fmt.Errorf("SA %s exists already", sa.SPI)
	case err != nil:
		return false, fmt.Errorf("SA %s: the kernel refuses it: %w", sa.SPI, err)
	case sa.CPU == nil && offload == nil:
		return false, nil
	}
	// A kernel that does not know an attribute passes over it, as does one whose
	// device cannot.
	h, err := c.state(referenceTo(sa))
	if err == nil && sa.CPU != nil && !isU32(h.attributes[attrCPU], *sa.CPU) {
		err = fmt.Errorf("SA %s: %w", sa.SPI, errNoCPU)
	}
	if err != nil {
		return false, errors.Join(err, c.removeSA(referenceTo(sa)))
	}
	return h.attributes[attrOffload] != nil, nil
}

// encapOf is struct xfrm_encap_tmpl.
func encapOf(sa sad.SA) netlink.Attribute {
	from, to := sa.Encap.LocalPort, sa.Encap.RemotePort
	if sa.Direction == sad.In {
		from, to = to, from
	}
	w := writer{}
	w.u16(encapESPinUDP)
	w.net16(from)
	w.net16(to)
	w.zero(2 + 16)
	return attribute(attrEncap, w.b)
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

// usage is what an SA has carried.
func (h held) usage(d sad.Direction) sad.Usage {
	u := sad.Usage{
		Bytes: native.Uint64(h.body[offsetCurrent:]), Packets: native.Uint64(h.body[offsetCurrent+8:]),
		// What is below the window is counted apart from what was seen.
		Replayed: uint64(native.Uint32(h.body[offsetStats:])) + uint64(native.Uint32(h.body[offsetStats+4:])),
		Invalid:  uint64(native.Uint32(h.body[offsetStats+8:])),
	}
	last := native.Uint64(h.body[offsetCurrent+24:]) // of its first use, where the kernel does not tell more
	if b := h.attributes[attrLastUsed]; len(b) >= 8 && native.Uint64(b) > 0 {
		last = native.Uint64(b)
	}
	if last > 0 {
		u.Last = time.Unix(int64(last), 0)
	}
	sent, seen := h.counters()
	u.Sequence = seen
	if d == sad.Out {
		u.Sequence = sent
	}
	return u
}

// counters are the sequence numbers, of a struct xfrm_replay_state_esn or, in an SA
// that was made without, of a struct xfrm_replay_state.
func (h held) counters() (sent, seen uint64) {
	if b := h.attributes[attrReplayESN]; len(b) >= sizeESNHead {
		return uint64(native.Uint32(b[12:]))<<32 | uint64(native.Uint32(b[4:])), uint64(native.Uint32(b[16:]))<<32 | uint64(native.Uint32(b[8:]))
	}
	if b := h.attributes[attrReplay]; len(b) >= sizeReplay {
		return uint64(native.Uint32(b)), uint64(native.Uint32(b[4:]))
	}
	return 0, 0
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
