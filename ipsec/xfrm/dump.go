package xfrm

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"gatehouse/ipsec/sad"
)

// Reqids tie SAs to policies in the kernel. Ours are in a range that nobody else
// is likely to use: what has no interface is known as ours by it.
const (
	firstReqID = 0x67000000
	lastReqID  = firstReqID | 0xffffff
)

func ourReqID(id uint32) bool { return firstReqID <= id && id <= lastReqID }

// held is an SA as the kernel tells it.
type held struct {
	reference
	body        []byte // struct xfrm_usersa_info
	source      netip.Addr
	reqid       uint32
	mode, flags uint8
	window      uint32
	added       uint64 // when, in seconds
	attributes  map[uint16][]byte
}

// ours says whether this program made it.
func (h held) ours(ifID uint32) bool {
	return isU32(h.attributes[attrIfID], ifID) || h.attributes[attrIfID] == nil && ourReqID(h.reqid)
}

func isU32(b []byte, v uint32) bool { return len(b) == 4 && native.Uint32(b) == v }

// dump asks for everything of one kind; size is that of its structure.
func (c *conn) dump(kind uint16, size int, each func(body []byte, attributes map[uint16][]byte)) error {
	messages, err := c.ask(kind, netlink.Dump, nil, nil)
	if err != nil {
		return err
	}
	for _, m := range messages {
		if len(m.Data) < size {
			continue
		}
		attributes, err := attributesIn(m.Data[size:])
		if err != nil {
			return err
		}
		each(m.Data, attributes)
	}
	return nil
}

// heldIn reads an SA.
func heldIn(b []byte, attributes map[uint16][]byte) held {
	const source, mode = offsetSAID + sizeSAID, offsetSAReqID + 6
	h := held{
		reference: saIn(b), body: b, reqid: native.Uint32(b[offsetSAReqID:]), mode: b[mode], window: uint32(b[mode+1]),
		flags: b[mode+2], added: native.Uint64(b[offsetCurrent+16:]), attributes: attributes,
	}
	if h.destination.IsValid() {
		h.source = addressIn(b[source:], familyOf(h.destination))
	}
	if replay := attributes[attrReplayESN]; len(replay) >= sizeESNHead {
		h.window = native.Uint32(replay[20:])
	}
	return h
}

// states are the SAs of ours that the kernel has. Those without an SPI are the
// kernel's own, for packets that had none: they end by themselves.
func (c *conn) states(ifID uint32) (out []held, err error) {
	err = c.dump(msgGetSA, sizeSA, func(b []byte, attributes map[uint16][]byte) {
		if h := heldIn(b, attributes); h.spi != 0 && h.destination.IsValid() && h.ours(ifID) {
			out = append(out, h)
		}
	})
	if err != nil {
		return nil, fmt.Errorf("list SAs: %w", err)
	}
	return out, nil
}

// errGone says that the kernel does not have an SA.
var errGone = errors.New("no such SA")

// state is one SA (XFRM_MSG_GETSA).
func (c *conn) state(r reference) (held, error) {
	messages, err := c.ask(msgGetSA, 0, nameOf(r), nil)
	if errors.Is(err, unix.ESRCH) || errors.Is(err, unix.ENOENT) {
		return held{}, errGone
	}
	if err != nil {
		return held{}, err
	}
	if len(messages) != 1 || len(messages[0].Data) < sizeSA {
		return held{}, fmt.Errorf("SA %s: the kernel's answer is cut off", r.spi)
	}
	attributes, err := attributesIn(messages[0].Data[sizeSA:])
	return heldIn(messages[0].Data, attributes), err
}

func attributesIn(b []byte) (map[uint16][]byte, error) {
	list, err := netlink.UnmarshalAttributes(b)
	out := map[uint16][]byte{}
	for _, a := range list {
		out[a.Type] = a.Data
	}
	return out, err
}

// usage is what an SA has carried.
func (c *conn) usage(sa sad.SA) (sad.Usage, error) {
	h, err := c.state(referenceTo(sa))
	if err != nil {
		return sad.Usage{}, err
	}
	return h.usage(sa.Direction), nil
}

// spd are the policies of ours that the kernel has.
func (c *conn) spd(ifID uint32) (map[place]entry, error) {
	out, others := map[place]entry{}, map[place]entry{}
	err := c.dump(msgGetPolicy, sizePolicy, func(b []byte, attributes map[uint16][]byte) {
		const priority, direction, action = sizeSelector + 64 + 32, sizeSelector + 64 + 32 + 8, sizeSelector + 64 + 32 + 9
		e := entry{
			place: place{selector: selectorIn(b), direction: b[direction]}, priority: native.Uint32(b[priority:]),
			block: b[action] == actionBlock, templates: string(attributes[attrTemplates]),
		}
		if m := attributes[attrMark]; len(m) == 8 {
			e.mark = mark{native.Uint32(m), native.Uint32(m[4:])}
		}
		switch id := attributes[attrIfID]; {
		case isU32(id, ifID):
			e.ifID = ifID
			out[e.place] = e
		case id == nil && (ourReqID(reqIDIn(e.templates)) || e.mark.mask&seenMark != 0):
			out[e.place] = e
		case id == nil:
			others[e.place] = e
		}
	})
	if err != nil {
		return nil, fmt.Errorf("list policies: %w", err)
	}
	// What lets Neighbor Discovery past a policy of ours names nothing else.
	for _, e := range out {
		if e.ifID == 0 && e.selector.source.Addr().Is6() && e.direction != policyForward {
			for _, n := range neighborDiscovery(e) {
				if others[n.place] == n {
					out[n.place] = n
				}
			}
		}
	}
	return out, nil
}

// reqIDIn is that of the first template, zero if there is none.
func reqIDIn(templates string) uint32 {
	const at = sizeSAID + 4 + 16
	if len(templates) < sizeTemplate {
		return 0
	}
	return native.Uint32([]byte(templates[at:]))
}

// references are the SAs that templates name.
func references(templates string) (out []reference) {
	for ; len(templates) >= sizeTemplate; templates = templates[sizeTemplate:] {
		b := []byte(templates[:sizeTemplate])
		family := native.Uint16(b[sizeSAID:])
		if family == unix.AF_INET || family == unix.AF_INET6 {
			out = append(out, reference{addressIn(b, family), sad.SPI(binary.BigEndian.Uint32(b[16:])), sad.Protocol(b[20])})
		}
	}
	return out
}

// Clear removes all SAs and policies of an interface ID that an earlier process
// left, for a start with another data plane.
func Clear(ifID uint32) error {
	c, err := dial()
	if err != nil {
		return err
	}
	defer c.close()
	policies, err := c.spd(ifID)
	if err != nil {
		return err
	}
	for at := range policies {
		if err := c.remove(at); err != nil {
			return err
		}
	}
	states, err := c.states(ifID)
	if err != nil {
		return err
	}
	for _, h := range states {
		if err := c.removeSA(h.reference); err != nil {
			return err
		}
	}
	return nil
}
