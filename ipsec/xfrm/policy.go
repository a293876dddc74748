package xfrm

import (
	"errors"
	"fmt"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"gatehouse/ipsec/sad"
)

// entry is one policy of the kernel. Two entries with the same place are the
// same one at different times.
type entry struct {
	place
	priority uint32
	block    bool
	// templates are what a packet must be protected by, the innermost first.
	templates string // encoded, so that entries can be compared
}

// place is what the kernel knows a policy by.
type place struct {
	selector  selector
	direction uint8
	ifID      uint32
	mark      mark
}

// attributes are those that a policy is known by, beside its selector.
func (p place) attributes() (out []netlink.Attribute) {
	if p.mark.mask != 0 {
		w := writer{}
		w.u32(p.mark.value)
		w.u32(p.mark.mask)
		out = append(out, attribute(attrMark, w.b))
	}
	if p.ifID != 0 {
		out = append(out, u32Attribute(attrIfID, p.ifID))
	}
	return out
}

// template is struct xfrm_user_tmpl: what one SA must be.
type template struct {
	need sad.Need
	// sa is the SA in use, nil if there is none yet. An outbound template
	// names it by its SPI, so that the newest is taken.
	sa  *sad.SA
	out bool
	// spread says that processors have SAs of their own: the kernel chooses.
	spread bool
	// reqid is that of the policy, which all its SAs have.
	reqid uint32
	// family of the outer addresses where sa is nil.
	family uint16
}

func (t template) encode(w *writer) {
	var spi sad.SPI
	family := t.family
	id, source := writer{}, writer{}
	if t.sa != nil {
		family = familyOf(t.sa.Local)
		from, to := t.sa.Remote, t.sa.Local
		if t.out {
			from, to = t.sa.Local, t.sa.Remote
			if !t.spread {
				spi = t.sa.SPI
			}
		}
		id.saID(to, spi, t.need.Protocol)
		source.address(from)
	} else {
		id.zero(20)
		id.u8(uint8(t.need.Protocol))
		id.zero(3)
		source.zero(16)
	}
	w.b = append(w.b, id.b...)
	w.u16(family)
	w.zero(2)
	w.b = append(w.b, source.b...)
	w.u32(t.reqid)
	mode := uint8(modeTunnel)
	if t.need.Mode == sad.Transport {
		mode = modeTransport
	}
	w.u8(mode)
	w.u8(0) // share
	w.u8(0) // not optional
	w.zero(1)
	for range 3 {
		w.u32(anyAlgorithm)
	}
}

// encode is struct xfrm_userpolicy_info and its attributes.
func (e entry) encode() ([]byte, []netlink.Attribute) {
	w := writer{}
	w.selector(e.selector)
	w.lifetime(sad.Bound{}, sad.Bound{})
	w.zero(32)
	w.u32(e.priority)
	w.u32(0) // the kernel numbers it
	w.u8(e.direction)
	action := uint8(actionAllow)
	if e.block {
		action = actionBlock
	}
	w.u8(action)
	w.zero(2 + 4)
	var attributes []netlink.Attribute
	if e.templates != "" {
		attributes = append(attributes, attribute(attrTemplates, []byte(e.templates)))
	}
	return w.b, append(attributes, e.place.attributes()...)
}

func (c *conn) put(e entry) error {
	body, attributes := e.encode()
	if err := c.do(msgUpdPolicy, 0, body, attributes); err != nil {
		return fmt.Errorf("policy %s to %s: %w", e.selector.source, e.selector.destination, err)
	}
	return nil
}

// remove is XFRM_MSG_DELPOLICY; what is gone already is no error.
func (c *conn) remove(p place) error {
	w := writer{}
	w.selector(p.selector)
	w.u32(0)
	w.u8(p.direction)
	w.zero(3)
	if err := c.do(msgDelPolicy, 0, w.b, p.attributes()); err != nil && !errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("policy %s to %s: %w", p.selector.source, p.selector.destination, err)
	}
	return nil
}
