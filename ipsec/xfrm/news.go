package xfrm

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"gatehouse/ipsec/sad"
)

// follow reads what the kernel has to tell: traffic that waits for an SA,
// lifetimes, peers that moved.
func (p *Plane) follow(ctx context.Context) error {
	for {
		messages, err := p.news.Receive()
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, unix.ENOBUFS):
			p.cfg.Log.Warn("news of the kernel's IPsec were lost: more than could be read")
			continue
		case err != nil:
			return fmt.Errorf("news of the kernel's IPsec: %w", err)
		}
		for _, m := range messages {
			switch uint16(m.Header.Type) {
			case msgAcquire:
				p.acquired(m.Data)
			case msgExpire:
				p.expired(m.Data)
			case msgMapping:
				p.mapped(m.Data)
			}
		}
	}
}

// acquired: a packet matched a policy that has no SA. The reqid of its template
// says which.
func (p *Plane) acquired(b []byte) {
	if len(b) < sizeAcquire {
		return
	}
	attributes, err := netlink.UnmarshalAttributes(b[sizeAcquire:])
	if err != nil {
		return
	}
	for _, a := range attributes {
		if a.Type == attrTemplates && len(a.Data) >= sizeTemplate {
			if id := p.policyOf(reqIDIn(string(a.Data))); id != 0 {
				from, to := selectedBy(b)
				p.cfg.Event(sad.Event{Kind: sad.Acquire, Policy: id, Source: from, Destination: to})
			}
		}
	}
}

// selectedBy are the addresses of the packet, in the selector of struct
// xfrm_user_acquire: behind an xfrm_id of 24 bytes and an address of 16.
func selectedBy(b []byte) (from, to netip.Addr) {
	const at, family = 40, 80
	size := 16
	if binary.NativeEndian.Uint16(b[family:]) == unix.AF_INET {
		size = 4
	}
	to, _ = netip.AddrFromSlice(b[at : at+size])
	from, _ = netip.AddrFromSlice(b[at+16 : at+16+size])
	return from, to
}

// policyOf is the ID of the policy with a reqid, zero if it is none of ours.
func (p *Plane) policyOf(reqid uint32) uint32 {
	p.mu.Lock()
	defer p.mu.Unlock()
	for id, r := range p.reqids {
		if r == reqid {
			return id
		}
	}
	return 0
}

// expired: an SA reached a bound of its lifetime, or most of its sequence
// numbers are used up.
func (p *Plane) expired(b []byte) {
	if len(b) < sizeExpire {
		return
	}
	sa := p.find(saIn(b))
	if sa == nil {
		return
	}
	ev := sad.Event{Kind: sad.SoftExpired, SA: sa.ID(), Policy: sa.Policy}
	packets := native.Uint64(b[offsetCurrent+8:])
	switch hard := b[sizeSA] != 0; {
	case hard:
		ev.Kind = sad.HardExpired
		if !sa.ESN && sa.Direction == sad.Out && sa.Sent+packets >= maxSequence {
			ev.Kind = sad.Overflowed
		}
		if err := p.Remove(sa.ID()); err != nil {
			p.cfg.Log.Error("an SA at the end of its lifetime could not be removed", "spi", sa.SPI, "err", err)
		}
	case !sa.ESN && sa.Direction == sad.Out && sa.Sent+packets >= soonSequence:
		ev.Kind = sad.Exhausted
	}
	p.cfg.Event(ev)
}

// mapped: a NAT gave the peer another address or port.
func (p *Plane) mapped(b []byte) {
	if len(b) < sizeMapping {
		return
	}
	family := native.Uint16(b[20:])
	if family != unix.AF_INET && family != unix.AF_INET6 {
		return
	}
	sa := p.find(reference{addressIn(b, family), sad.SPI(binary.BigEndian.Uint32(b[16:])), sad.Protocol(b[22])})
	if sa == nil {
		return
	}
	const newSource, newPort = sizeSAID + 4 + 16, sizeSAID + 4 + 32 + 2
	p.cfg.Event(sad.Event{Kind: sad.Mapping, SA: sa.ID(), Policy: sa.Policy,
		From: netip.AddrPortFrom(addressIn(b[newSource:], family), binary.BigEndian.Uint16(b[newPort:]))})
}

// reference is how the kernel names an SA.
type reference struct {
	destination netip.Addr
	spi         sad.SPI
	protocol    sad.Protocol
}

func referenceTo(sa sad.SA) reference {
	_, destination := addresses(sa)
	return reference{destination, sa.SPI, sa.Protocol}
}

// saIn reads it from a struct xfrm_usersa_info.
func saIn(b []byte) reference {
	family := native.Uint16(b[offsetSAReqID+4:])
	id := b[offsetSAID:]
	if family != unix.AF_INET && family != unix.AF_INET6 {
		return reference{}
	}
	return reference{addressIn(id, family), sad.SPI(binary.BigEndian.Uint32(id[16:])), sad.Protocol(id[20])}
}

// find gives an SA of ours.
func (p *Plane) find(r reference) *sad.SA {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, s := range p.sas {
		if referenceTo(s.SA) == r {
			sa := s.SA
			return &sa
		}
	}
	return nil
}

// removeSA is XFRM_MSG_DELSA; what is gone already is no error.
func (c *conn) removeSA(r reference) error {
	if err := c.do(msgDeleteSA, 0, nameOf(r), nil); err != nil && !errors.Is(err, unix.ESRCH) && !errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("SA %s: the kernel keeps it: %w", r.spi, err)
	}
	return nil
}
