package web

import (
	"encoding/json"
	"net/http"
	"net/netip"
	"slices"

	"gatehouse/store"
)

// overviewPage puts problems first.
type overviewPage struct {
	Status   Status
	Problems []Tunnel
	Up, All  int
	Internet []Interface
	Events   []store.Event
}

// recentEvents on the overview.
const recentEvents = 8

func (s *server) overview(w http.ResponseWriter, r *http.Request) {
	events, err := s.Store.Events(r.Context(), recentEvents)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	p := overviewPage{Status: s.Gateway.Status(), Events: events}
	for _, t := range p.Status.Tunnels {
		if t.State == TunnelOff {
			continue
		}
		p.All++
		if t.State == TunnelUp {
			p.Up++
		}
		if t.Problem != nil && t.State != TunnelUp {
			p.Problems = append(p.Problems, t)
		}
	}
	for _, i := range p.Status.Interfaces {
		if i.Zone == "wan" {
			i.Addresses = slices.DeleteFunc(i.Addresses, linkLocal)
			p.Internet = append(p.Internet, i)
		}
	}
	s.render(w, r, http.StatusOK, "overview", view{Title: "Overview", Page: p})
}

// linkLocal tells addresses that say nothing about the line.
func linkLocal(prefix string) bool {
	p, err := netip.ParsePrefix(prefix)
	return err == nil && p.Addr().IsLinkLocalUnicast()
}

func (s *server) status(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(s.Gateway.Status()); err != nil {
		s.Log.Debug("status was not read", "err", err)
	}
}
