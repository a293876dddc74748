package web

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// Association is a security association in use (RFC 4301 section 4.4.2). Keys are
// not in it.
type Association struct {
	SPI      string `json:"spi"`      // hexadecimal
	Protocol string `json:"protocol"` // esp or ah
	// Direction is in or out, Mode tunnel, transport or either.
	Direction string `json:"direction"`
	Mode      string `json:"mode"`
	// Source and Destination are the outer addresses.
	Source      string `json:"source"`
	Destination string `json:"destination"`
	// UDP are the ports of ESP in UDP, as in 4500 to 4500; empty: directly over IP.
	UDP        string `json:"udp,omitempty"`
	Algorithms string `json:"algorithms"`
	// Owner is the branch that negotiated it or, with ByHand, the manual SA.
	Owner  string    `json:"owner"`
	ByHand bool      `json:"by_hand,omitempty"`
	Policy string    `json:"policy"`
	Since  time.Time `json:"since,omitzero"`
	// Sequence is the last number sent or the highest received, of 64 bits with
	// ESN; Window of packets is what the replay check remembers.
	Sequence      uint64 `json:"sequence"`
	ESN           bool   `json:"esn"`
	Window        uint32 `json:"replay_window,omitempty"`
	NoReplayCheck bool   `json:"no_replay_check,omitempty"`
	Packets       uint64 `json:"packets"`
	Bytes         uint64 `json:"bytes"`
	// Replayed packets came again or too late, Invalid ones were not genuine,
	// Refused ones did not belong here.
	Replayed uint64    `json:"replayed"`
	Invalid  uint64    `json:"invalid"`
	Refused  uint64    `json:"refused"`
	Last     time.Time `json:"last,omitzero"`
	// Soft bounds bring other keys, Hard ones end it. Then says what takes its
	// place: another, or nothing.
	Soft Bound  `json:"soft,omitzero"`
	Hard Bound  `json:"hard,omitzero"`
	Then string `json:"then"`
	// PathMTU in bytes is what the way was found to carry; 0: not known, as no
	// packet was too long so far.
	PathMTU int `json:"path_mtu,omitempty"`
	// Near and Far are the selectors, here and there.
	Near []string `json:"near"`
	Far  []string `json:"far"`
}

// Bound of a lifetime; a zero bounds nothing.
type Bound struct {
	Seconds int64  `json:"seconds,omitempty"`
	Bytes   uint64 `json:"bytes,omitempty"`
	Packets uint64 `json:"packets,omitempty"`
}

// PolicyInForce is an entry of the security policy database (RFC 4301 section
// 4.4.1).
type PolicyInForce struct {
	// Place is from 1: the first that matches decides.
	Place int    `json:"place"`
	Name  string `json:"name"`
	// ByHand ones are Policy objects; others belong to a branch, their Owner.
	ByHand bool   `json:"by_hand,omitempty"`
	Owner  string `json:"owner,omitempty"`
	// Action is protect, bypass, discard or demand.
	Action string `json:"action"`
	// Direction is in, out or both.
	Direction string   `json:"direction"`
	Near      []string `json:"near"`
	Far       []string `json:"far"`
	// Further are the other selectors in words.
	Further []string `json:"further,omitempty"`
	// Protection is what it asks for, the innermost first, as in esp tunnel.
	Protection []string `json:"protection,omitempty"`
	SAs        int      `json:"sas"`
	// What its SAs carried.
	PacketsOut uint64 `json:"packets_out"`
	BytesOut   uint64 `json:"bytes_out"`
	PacketsIn  uint64 `json:"packets_in"`
	BytesIn    uint64 `json:"bytes_in"`
	// Refused are packets that it or its SAs refused.
	Refused uint64    `json:"refused"`
	Last    time.Time `json:"last,omitzero"`
}

// RefusedPackets are those that IPsec refused for one reason since it began.
type RefusedPackets struct {
	Reason  string `json:"reason"`
	Packets uint64 `json:"packets"`
}

// databaseReader is what the pages need of the databases of IPsec. A text that is
// not empty limits lists to what has it in a name, an address or an SPI.
type databaseReader interface {
	Associations(ctx context.Context, holding string, offset, limit int) ([]Association, int, error)
	PoliciesInForce(ctx context.Context, holding string, offset, limit int) ([]PolicyInForce, int, error)
	// RefusedPackets are empty if the data plane cannot tell; else there is an
	// entry for each reason.
	RefusedPackets(ctx context.Context) []RefusedPackets
}

// databasePage is a part of the SAD or of the SPD.
type databasePage struct {
	Associations []Association
	Policies     []PolicyInForce
	Refused      []RefusedPackets
	RefusedTotal uint64
	// SAs and Entries are how many there are in all.
	SAs, Entries       int
	Query              string
	First, Last, Total int
	Back, More         string
}

// glance fills in the numbers that both pages begin with; a limit of 0 only
// counts.
func (s *server) glance(r *http.Request, p *databasePage) error {
	var err error
	if _, p.SAs, err = s.Gateway.Associations(r.Context(), "", 0, 0); err != nil {
		return err
	}
	if _, p.Entries, err = s.Gateway.PoliciesInForce(r.Context(), "", 0, 0); err != nil {
		return err
	}
	p.Refused = s.Gateway.RefusedPackets(r.Context())
	for _, n := range p.Refused {
		p.RefusedTotal += n.Packets
	}
	return nil
}

func (s *server) associations(w http.ResponseWriter, r *http.Request) {
	offset, query := part(r)
	p := databasePage{Query: query}
	err := s.glance(r, &p)
	if err == nil {
		p.Associations, p.Total, err = s.Gateway.Associations(r.Context(), strings.TrimSpace(query), offset, rowsOnPage)
	}
	if err != nil {
		s.fail(w, r, err)
		return
	}
	p.First, p.Last = offset+1, offset+len(p.Associations)
	p.Back, p.More = around(r, offset, len(p.Associations), p.Total)
	s.render(w, r, http.StatusOK, "sas", view{Title: "Security associations", Page: p})
}

func (s *server) policies(w http.ResponseWriter, r *http.Request) {
	offset, query := part(r)
	p := databasePage{Query: query}
	err := s.glance(r, &p)
	if err == nil {
		p.Policies, p.Total, err = s.Gateway.PoliciesInForce(r.Context(), strings.TrimSpace(query), offset, rowsOnPage)
	}
	if err != nil {
		s.fail(w, r, err)
		return
	}
	p.First, p.Last = offset+1, offset+len(p.Policies)
	p.Back, p.More = around(r, offset, len(p.Policies), p.Total)
	s.render(w, r, http.StatusOK, "policies", view{Title: "Policies in force", Page: p})
}

// apiPart is a part of a list; Next is the offset of the next part, if there is
// one.
type apiPart[T any] struct {
	Items []T `json:"items"`
	Total int `json:"total"`
	Next  int `json:"next,omitempty"`
}

func partOf[T any](items []T, offset, total int) apiPart[T] {
	out := apiPart[T]{Items: append([]T{}, items...), Total: total}
	if offset+len(items) < total {
		out.Next = offset + len(items)
	}
	return out
}

func (s *server) apiAssociations(w http.ResponseWriter, r *http.Request) {
	offset, query := part(r)
	all, total, err := s.Gateway.Associations(r.Context(), query, offset, limitOf(r.URL.Query()))
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	s.answer(w, http.StatusOK, "application/json", partOf(all, offset, total))
}

func (s *server) apiPolicies(w http.ResponseWriter, r *http.Request) {
	offset, query := part(r)
	all, total, err := s.Gateway.PoliciesInForce(r.Context(), query, offset, limitOf(r.URL.Query()))
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	s.answer(w, http.StatusOK, "application/json", partOf(all, offset, total))
}

func (s *server) apiRefused(w http.ResponseWriter, r *http.Request) {
	s.answer(w, http.StatusOK, "application/json", map[string][]RefusedPackets{"items": append([]RefusedPackets{}, s.Gateway.RefusedPackets(r.Context())...)})
}

// Lifetime puts an SA's bounds and what of them is used into lines.
func (a Association) Lifetime(now time.Time) (out []string) {
	line := func(used string, soft, hard string) {
		switch {
		case soft == "" && hard == "":
			return
		case hard == "":
			out = append(out, used+"; new keys at "+soft)
		case soft == "":
			out = append(out, used+" of "+hard)
		default:
			out = append(out, used+" of "+hard+"; new keys at "+soft)
		}
	}
	text := func(n uint64, in func(uint64) string) string {
		if n == 0 {
			return ""
		}
		return in(n)
	}
	packets := func(n uint64) string { return plural(int(n), "packet") }
	seconds := func(n uint64) string { return span(time.Duration(n) * time.Second) }
	line(span(now.Sub(a.Since)), text(uint64(a.Soft.Seconds), seconds), text(uint64(a.Hard.Seconds), seconds))
	line(humanBytes(a.Bytes), text(a.Soft.Bytes, humanBytes), text(a.Hard.Bytes, humanBytes))
	line(packets(a.Packets), text(a.Soft.Packets, packets), text(a.Hard.Packets, packets))
	return out
}

// span is a time that went by, coarsely: a page that counts seconds changes with
// each look.
func span(d time.Duration) string {
	switch {
	case d < time.Minute:
		return "under a minute"
	case d < 2*time.Hour:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h", int(d.Hours()))
	}
	return plural(int(d.Hours()/24), "day")
}

// few are the first of many, and how many more there are.
func few(all []string) []string {
	const shown = 4
	if len(all) <= shown+1 {
		return all
	}
	return append(all[:shown:shown], fmt.Sprintf("and %d more", len(all)-shown))
}
