package web

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

// databases are the SAD and the SPD as the pages see them.
type databases struct {
	sas      []Association
	policies []PolicyInForce
	refused  []RefusedPackets
}

func (d *databases) Associations(_ context.Context, holding string, offset, limit int) (out []Association, total int, err error) {
	for _, a := range d.sas {
		if !strings.Contains(a.Owner+a.SPI, holding) {
			continue
		}
		if total++; total > offset && len(out) < limit {
			out = append(out, a)
		}
	}
	return out, total, nil
}

func (d *databases) PoliciesInForce(_ context.Context, holding string, offset, limit int) (out []PolicyInForce, total int, err error) {
	for _, p := range d.policies {
		if !strings.Contains(p.Name, holding) {
			continue
		}
		if total++; total > offset && len(out) < limit {
			out = append(out, p)
		}
	}
	return out, total, nil
}

func (d *databases) RefusedPackets(context.Context) []RefusedPackets { return d.refused }

// protecting is a site with an SA by IKE, one by hand, and what they serve.
func protecting(t *testing.T) *site {
	s := newSite(t)
	now := s.clock()
	s.gateway.sas = []Association{
		{SPI: "c0ffee01", Protocol: "esp", Direction: "in", Mode: "tunnel", Source: "198.51.100.3", Destination: "203.0.113.2", UDP: "4500 to 4500",
			Algorithms: "aes256gcm16", Owner: "leeds", Policy: "leeds", Since: now.Add(-34 * time.Minute), Sequence: 70_000, ESN: true, Window: 1024,
			Packets: 69_990, Bytes: 81_000_000, Replayed: 7, Invalid: 3, Refused: 2, Last: now.Add(-time.Second),
			Soft: Bound{Bytes: 4_000_000_000}, Hard: Bound{Seconds: 3600, Bytes: 5_000_000_000, Packets: 100_000}, Then: "another takes its place",
			Near: []string{"10.1.0.0/24"}, Far: []string{"10.2.0.0/24"}},
		{SPI: "000010af", Protocol: "ah", Direction: "out", Mode: "transport", Source: "203.0.113.2", Destination: "198.51.100.9",
			Algorithms: "sha256", Owner: "york-ah-out", ByHand: true, Policy: "york-out", Since: now.Add(-100 * day), Sequence: 12, NoReplayCheck: true,
			Then: "nothing takes its place", PathMTU: 1400, Near: []string{"203.0.113.2/32"}, Far: []string{"198.51.100.9/32"}},
	}
	s.gateway.policies = []PolicyInForce{
		{Place: 1, Name: "york-out", ByHand: true, Action: "protect", Direction: "out", Near: []string{"203.0.113.2/32"}, Far: []string{"198.51.100.9/32"},
			Further: []string{"code point 46"}, Protection: []string{"ah transport"}, SAs: 1, PacketsOut: 12, BytesOut: 1200},
		{Place: 2, Name: "drop-telnet", ByHand: true, Action: "discard", Direction: "both", Near: []string{"0.0.0.0/0"}, Far: []string{"0.0.0.0/0 protocol 6 ports 23-23"}, Refused: 5},
		{Place: 3, Name: "leeds/voice", Owner: "leeds", Action: "protect", Direction: "both", Near: []string{"10.1.0.0/24"}, Far: []string{"10.2.0.0/24"}, PacketsIn: 69_990, BytesIn: 81_000_000},
	}
	s.gateway.refused = []RefusedPackets{{"replayed", 7}, {"wrong integrity check value", 3}, {"unknown SPI", 0}, {"discarded by the policy", 5}}
	return s
}

func TestEverySAShowsWhatItObeys(t *testing.T) {
	s := protecting(t)
	b := s.account(t, "reader", "viewer")
	b.get("/ipsec/sas").want(t, http.StatusOK,
		"2 associations, 3 policies, 15 packets refused", "<dt>wrong integrity check value</dt><dd>3</dd>", `data-refresh`,
		"<code>c0ffee01</code>", `received for <a href="/branches/leeds">leeds</a>, by IKE`, "in UDP, port 4500 to 4500 (NAT traversal)", "ESP, tunnel", "aes256gcm16",
		"70000<small>64 bits (ESN)", "window of 1024", "7 came again", "3 not genuine", "2 did not belong here", "81.0 MB<small>69990 packets",
		"34 min of 60 min", "81.0 MB of 5.0 GB; new keys at 4.0 GB", "69990 packets of 100000 packets", "another takes its place",
		`<a href="/objects/manual-sas/edit?name=york-ah-out">york-ah-out</a>, keyed by hand`, "AH, transport", "takes packets twice", "the way carries 1400 bytes",
		"no end; since 100 days", "nothing takes its place")
	if a := b.get("/ipsec/sas"); strings.Contains(a.body, "<dt>unknown SPI</dt>") {
		t.Error("what did not happen is listed")
	}
	a := b.get("/ipsec/sas?q=c0ffee")
	a.want(t, http.StatusOK, "2 associations", "1 to 1 of 1")
	if strings.Contains(a.body, "york-ah-out") {
		t.Error("the search shows all")
	}
	b.get("/ipsec/sas?q=nothing").want(t, http.StatusOK, "No SA has this.")
	b.get("/api/v1/ipsec/sas?limit=1").want(t, http.StatusOK, `"spi":"c0ffee01"`, `"replay_window":1024`, `"hard":{"seconds":3600,"bytes":5000000000,"packets":100000}`, `"total":2,"next":1`)
	b.get("/api/v1/ipsec/refused").want(t, http.StatusOK, `{"items":[{"reason":"replayed","packets":7}`, `{"reason":"unknown SPI","packets":0}`)
}

func TestEveryPolicyShowsItsPlaceAndWhatItDid(t *testing.T) {
	s := protecting(t)
	b := s.loggedIn(t)
	b.get("/ipsec/policies").want(t, http.StatusOK, "2 associations, 3 policies", `<a href="/objects/policies/edit?name=york-out">york-out</a>`, "what goes out",
		"code point 46", "ah transport", "discard", "protocol 6 ports 23-23", `<a href="/branches/leeds">leeds/voice</a>`, "no SA yet: nothing passes", "81.0 MB<small>69990 packets")
	b.get("/api/v1/ipsec/policies").want(t, http.StatusOK, `{"place":2,"name":"drop-telnet","by_hand":true,"action":"discard"`, `"refused":5`)
	// Ten thousand fill many pages, not one.
	for i := range 10_000 {
		s.gateway.policies = append(s.gateway.policies, PolicyInForce{Place: i + 4, Name: fmt.Sprintf("branch-%d", i), Action: "protect"})
	}
	a := b.get("/ipsec/policies?from=50")
	a.want(t, http.StatusOK, "51 to 100 of 10003", "branch-47")
	if len(a.body) > 60_000 {
		t.Errorf("%d bytes", len(a.body))
	}
	s.gateway.sas, s.gateway.policies, s.gateway.refused = nil, nil, nil
	b.get("/ipsec/sas").want(t, http.StatusOK, "There is none: no tunnel is up", "does not count what IPsec refuses")
	b.get("/ipsec/policies").want(t, http.StatusOK, "nothing is protected by IPsec")
}
