package main

import (
	"context"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"

	"gatehouse/ipsec"
	"gatehouse/ipsec/sad"
	"gatehouse/web"
)

// Associations are the security associations in use, without their keys.
func (g *gateway) Associations(_ context.Context, holding string, offset, limit int) ([]web.Association, int, error) {
	all, total := g.ipsec.Associations(func(a ipsec.Association) bool {
		return holds(holding, slices.Concat(a.LocalTS, a.RemoteTS), a.Owner, a.Entry, a.SPI.String(), a.Local.String(), a.Remote.String())
	}, offset, limit)
	var out []web.Association
	for _, a := range all {
		out = append(out, association(a))
	}
	return out, total, nil
}

// PoliciesInForce are the entries of the SPD.
func (g *gateway) PoliciesInForce(_ context.Context, holding string, offset, limit int) ([]web.PolicyInForce, int, error) {
	all, total := g.ipsec.Entries(func(e ipsec.Entry) bool {
		return holds(holding, slices.Concat(e.LocalTS, e.RemoteTS), e.Name)
	}, offset, limit)
	var out []web.PolicyInForce
	for _, e := range all {
		out = append(out, policyInForce(e))
	}
	return out, total, nil
}

// RefusedPackets are what IPsec refused since it began, by reason.
func (g *gateway) RefusedPackets(context.Context) (out []web.RefusedPackets) {
	counts, known := g.ipsec.Refused()
	if !known {
		return nil
	}
	for why := sad.NotRefused + 1; why < sad.Refusals; why++ {
		out = append(out, web.RefusedPackets{Reason: why.String(), Packets: counts[why]})
	}
	return out
}

// holds says whether one of the words has a text in it or, if it is an address,
// one of the selectors.
func holds(text string, selectors []sad.Selector, words ...string) bool {
	if addr, err := netip.ParseAddr(text); err == nil && slices.ContainsFunc(selectors, func(s sad.Selector) bool { return s.ContainsAddress(addr, s.Protocol) }) {
		return true
	}
	return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(w, strings.ToLower(text)) })
}

var (
	modeWords   = map[sad.Mode]string{sad.Tunnel: "tunnel", sad.Transport: "transport", sad.Either: "either"}
	actionWords = map[sad.Action]string{sad.Protect: "protect", sad.Bypass: "bypass", sad.Discard: "discard", sad.Demand: "demand"}
	wayWords    = map[sad.Way]string{sad.BothWays: "both", sad.Inward: "in", sad.Outward: "out"}
)

func protocolWord(p sad.Protocol) string {
	if p == sad.AH {
		return "ah"
	}
	return "esp"
}

func association(a ipsec.Association) web.Association {
	u := a.Usage
	out := web.Association{
		SPI: a.SPI.String(), Protocol: protocolWord(a.Protocol), Direction: "out", Mode: modeWords[a.Mode],
		Source: a.Local.String(), Destination: a.Remote.String(), Algorithms: a.Suite.String(),
		Owner: a.Owner, ByHand: a.ByHand, Policy: a.Entry, Since: a.Since,
		Sequence: u.Sequence, ESN: a.ESN, Window: a.ReplayWindow, NoReplayCheck: a.NoReplay,
		Packets: u.Packets, Bytes: u.Bytes, Replayed: u.Replayed, Invalid: u.Invalid, Refused: u.Refused, Last: u.Last,
		Soft: boundOf(a.Lifetime.Soft), Hard: boundOf(a.Lifetime.Hard), Then: "another takes its place", PathMTU: u.PathMTU,
		Near: texts(a.LocalTS), Far: texts(a.RemoteTS),
	}
	if a.Direction == sad.In {
		out.Direction, out.Source, out.Destination = "in", out.Destination, out.Source
	}
	if a.Encap != nil {
		from, to := a.Encap.LocalPort, a.Encap.RemotePort
		if a.Direction == sad.In {
			from, to = to, from
		}
		out.UDP = fmt.Sprintf("%d to %d", from, to)
	}
	if a.Lifetime.Terminate {
		out.Then = "nothing takes its place"
	}
	return out
}

func boundOf(b sad.Bound) web.Bound {
	return web.Bound{Seconds: int64(b.Time / time.Second), Bytes: b.Bytes, Packets: b.Packets}
}

func policyInForce(e ipsec.Entry) web.PolicyInForce {
	out := web.PolicyInForce{
		Place: e.Place, Name: e.Name, Owner: e.Owner, ByHand: e.ByHand, Action: actionWords[e.Action], Direction: wayWords[e.Way],
		Near: texts(e.LocalTS), Far: texts(e.RemoteTS), SAs: e.SAs,
		PacketsOut: e.Sent.Packets, BytesOut: e.Sent.Bytes, PacketsIn: e.Received.Packets, BytesIn: e.Received.Bytes, Last: e.Received.Last,
		Refused: e.Refused + e.Received.Replayed + e.Received.Invalid + e.Received.Refused,
	}
	if e.Sent.Last.After(out.Last) {
		out.Last = e.Sent.Last
	}
	for _, n := range e.Needs {
		out.Protection = append(out.Protection, protocolWord(n.Protocol)+" "+modeWords[n.Mode])
	}
	further := func(what string, values ...string) {
		if len(values) > 0 {
			out.Further = append(out.Further, what+" "+strings.Join(values, ", "))
		}
	}
	numbers := func(all []uint32) (out []string) {
		for _, n := range all {
			out = append(out, strconv.Itoa(int(n)))
		}
		return out
	}
	var points []uint32
	for _, d := range e.Class.DSCP {
		points = append(points, uint32(d))
	}
	further("code point", numbers(points)...)
	further("flow label", numbers(e.Class.FlowLabels)...)
	further("label", e.Labels...)
	for _, p := range e.Admits {
		further("content with", protocolWord(p.Protocol)+" "+p.Suite.String())
	}
	return out
}

// databaseRoutes are what the commands ask of the running gateway.
func (g *gateway) databaseRoutes(r chi.Router) {
	r.Get("/sas", func(w http.ResponseWriter, req *http.Request) {
		all, _, err := g.Associations(req.Context(), req.URL.Query().Get("q"), 0, maxListed)
		g.tell(w, append([]web.Association{}, all...), err)
	})
	r.Get("/policies", func(w http.ResponseWriter, req *http.Request) {
		all, _, err := g.PoliciesInForce(req.Context(), req.URL.Query().Get("q"), 0, maxListed)
		g.tell(w, append([]web.PolicyInForce{}, all...), err)
	})
	r.Get("/refused", func(w http.ResponseWriter, req *http.Request) {
		g.tell(w, append([]web.RefusedPackets{}, g.RefusedPackets(req.Context())...), nil)
	})
}

// maxListed is how many SAs or policies a command prints at most.
const maxListed = 20_000
