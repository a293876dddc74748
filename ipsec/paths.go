package ipsec

import (
	"net/netip"

	"gatehouse/ipsec/ike"
)

// PathsChanged looks anew which address of this host leads to each peer, after
// addresses or routes changed. Tunnels go on from there (RFC 4555) instead of dying
// and being built again. It does not block.
func (m *Manager) PathsChanged() {
	type path struct {
		s             *session
		local, remote netip.AddrPort
	}
	m.mu.Lock()
	var all []path
	for _, name := range m.order {
		if c := m.conns[name]; c.active != nil {
			all = append(all, path{c.active, c.up.Local, c.up.Remote})
		}
	}
	m.mu.Unlock()
	for _, p := range all {
		// No way at all is no better one: DPD says when it is too late.
		local, err := m.source(p.remote)
		if err != nil || local.Addr() == p.local.Addr() {
			continue
		}
		p.s.log.Info("this side reaches the peer from another address", "local", local.Addr(), "remote", p.remote.Addr())
		p.s.post(ike.Relocate{Local: local.Addr()})
	}
}

// mayMove says whether a peer may go on at another address: any that can be a
// host's. Who may send at all is the firewall's business, who it is was proven.
func (m *Manager) mayMove(_ string, remote netip.Addr) bool { return remote.IsGlobalUnicast() }
