package xfrm

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"gatehouse/ipsec/sad"
)

// Move gives SAs other outer addresses and ports, of the same family or another:
// the peer is behind a NAT that gave it others (RFC 7296 section 2.23), or has moved
// (RFC 4555). They go on counting where they were, and outbound ones have another
// ID then.
func (p *Plane) Move(ids []sad.ID, local, remote netip.AddrPort) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	var errs []error
	for _, id := range ids {
		i := slices.IndexFunc(p.sas, func(s *installed) bool { return s.ID() == id })
		if i < 0 {
			errs = append(errs, fmt.Errorf("SA %s: there is none to move", id.SPI))
			continue
		}
		if err := p.move(p.sas[i], local, remote); err != nil {
			errs = append(errs, fmt.Errorf("SA %s: move to %s: %w", id.SPI, remote, err))
		}
	}
	// Policies moved with their SAs.
	entries, err := p.conn.spd(p.cfg.IfID)
	if err == nil {
		p.entries = entries
	}
	return errors.Join(append(errs, err, p.reconcile())...)
}

func (p *Plane) move(s *installed, local, remote netip.AddrPort) error {
	to := s.SA
	to.Local, to.Remote = local.Addr(), remote.Addr()
	if s.Encap != nil {
		to.Encap = &sad.Encap{LocalPort: local.Port(), RemotePort: remote.Port()}
	}
	if s.Mode != sad.Tunnel {
		return errors.New("the addresses are what transport mode protects")
	}
	if to.Local.BitLen() != to.Remote.BitLen() || to.Encap != nil && to.Encap.LocalPort != p.cfg.Port {
		return fmt.Errorf("not from %s", local)
	}
	before, err := p.conn.usage(s.SA)
	if err != nil {
		return err
	}
	if to.Local != s.Local || to.Remote != s.Remote {
		err = errNotMigrated
		if !p.cannotMigrate {
			err = p.migrate(s, to)
		}
		p.cannotMigrate = p.cannotMigrate || errors.Is(err, unix.ENOPROTOOPT)
		if p.cannotMigrate || errors.Is(err, errNotMigrated) {
			err = p.transplant(s, to)
		}
		if err != nil {
			return err
		}
	}
	quiet := p.quiet[s.ID()] == s
	delete(p.quiet, s.ID())
	s.SA = to
	if quiet {
		p.quiet[s.ID()] = s
	}
	after, err := p.conn.usage(s.SA)
	if err != nil {
		return err
	}
	// A clone of an SA counts packets anew in some kernels.
	if after.Packets < before.Packets {
		s.before.Packets -= before.Packets
		s.before.Bytes -= before.Bytes
		s.bounds.Soft, s.bounds.Hard = less(s.bounds.Soft, before), less(s.bounds.Hard, before)
	}
	to.Lifetime = s.bounds
	m, err := saMessage(to, p.cfg.IfID, s.reqid, p.cfg.Mark)
	if err != nil {
		return err
	}
	return p.conn.do(msgUpdSA, 0, m.body, m.attributes) // its ports and its bounds
}

// less is a bound of bytes and packets that some were counted for already.
func less(b sad.Bound, u sad.Usage) sad.Bound {
	if b.Bytes > 0 {
		b.Bytes -= min(b.Bytes-1, u.Bytes)
	}
	if b.Packets > 0 {
		b.Packets -= min(b.Packets-1, u.Packets)
	}
	return b
}

// errNotMigrated says that the kernel found no policy to migrate an SA with.
var errNotMigrated = errors.New("no policy leads to it")

// migrate moves an SA with every policy whose template it serves: the first takes it
// along, the others follow.
func (p *Plane) migrate(s *installed, to sad.SA) error {
	err := errNotMigrated
	for at, e := range p.entries {
		if reqIDIn(e.templates) != s.reqid || (at.direction == policyOut) != (s.Direction == sad.Out) {
			continue
		}
		one := p.conn.migrate(at, s.SA, to, s.reqid)
		switch {
		case one == nil:
			err = nil
		case !errors.Is(one, unix.ENOENT) && !errors.Is(one, unix.ESRCH) && !errors.Is(one, unix.ENODATA):
			return fmt.Errorf("migrate: %w", one)
		}
	}
	if err != nil {
		return err
	}
	if _, gone := p.conn.state(referenceTo(to)); gone != nil {
		return errNotMigrated
	}
	return nil
}

// migrate is XFRM_MSG_MIGRATE: the kernel clones an SA, lets one policy lead to the
// clone and ends the old one.
func (c *conn) migrate(at place, from, to sad.SA, reqid uint32) error {
	source, destination := addresses(from)
	newSource, newDestination := addresses(to)
	id, w := writer{}, writer{}
	id.selector(at.selector)
	id.u32(0)
	id.u8(at.direction)
	id.zero(3)
	for _, a := range []netip.Addr{destination, source, newDestination, newSource} {
		w.address(a)
	}
	w.u8(uint8(from.Protocol))
	w.u8(modeTunnel)
	w.zero(2)
	w.u32(reqid)
	w.u16(familyOf(source))
	w.u16(familyOf(newSource))
	attributes := []netlink.Attribute{attribute(attrMigrate, w.b)}
	if at.ifID != 0 {
		attributes = append(attributes, u32Attribute(attrIfID, at.ifID))
	}
	if to.Encap != nil {
		attributes = append(attributes, encapOf(to))
	}
	return c.do(msgMigrate, 0, id.b, attributes)
}

// transplant is migrate for a kernel that cannot: another SA begins where the old
// one is. What comes in while there is none is lost.
func (p *Plane) transplant(s *installed, to sad.SA) error {
	h, err := p.conn.state(referenceTo(s.SA))
	if err != nil {
		return err
	}
	sent, seen := h.counters()
	if to.Direction == sad.Out {
		to.Sent = sent + inFlight
	} else if !to.NoReplay {
		to.Seen = seen
	}
	to.Lifetime = s.bounds
	m, err := saMessage(to, p.cfg.IfID, s.reqid, p.cfg.Mark)
	if err != nil {
		return err
	}
	if err := p.conn.removeSA(h.reference); err != nil {
		return err
	}
	s.offloaded, err = p.conn.add(to, m, p.devices.offload(to))
	return err
}

// inFlight is more than what is sent while an SA is being replaced, in packets.
const inFlight = 1 << 12
