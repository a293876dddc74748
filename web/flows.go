package web

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"gatehouse/store"
)

// flowsPage is who talks to whom now, and who moved most.
type flowsPage struct {
	Connections []connectionLine
	Talkers     Talkers
	Query       url.Values
	Order       Ordering
	Window      time.Duration
	Windows     []time.Duration
	Zones       []string
	First, Last int
	Total       int
	Back, More  string
	MayEnd      bool
	// Live says that the page may ask again by itself.
	Live bool
}

type connectionLine struct {
	Connection
	Service string
	// Object is the address of the rule or forward that decides.
	Object string
	// End is the address of the page that ends it.
	End string
}

// Bounds of the page: hosts on it, and above how many connections in the table
// it does not ask again by itself, for the gateway reads all of them each time.
const (
	talkersShown = 10
	liveUpTo     = 2000
)

// talkerWindows are what top talkers can be asked for.
var talkerWindows = []time.Duration{5 * time.Minute, 15 * time.Minute, time.Hour}

func windowOf(q url.Values) time.Duration {
	minutes, err := strconv.Atoi(q.Get("minutes"))
	if err != nil || minutes < 1 || minutes > 60 {
		return talkerWindows[0]
	}
	return time.Duration(minutes) * time.Minute
}

func (s *server) connections(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	p := flowsPage{Query: q, Order: orderingOf(q.Get("order")), Window: windowOf(q), Windows: talkerWindows, MayEnd: adminOf(r).Role.May(store.RoleOperator)}
	f, err := ParseConnectionFilter(q)
	code := http.StatusOK
	var found store.ValidationError
	if errors.As(err, &found) {
		code = http.StatusUnprocessableEntity
	} else if err := s.fillFlows(r, &p, f); err != nil {
		s.fail(w, r, err)
		return
	}
	s.render(w, r, code, "flows", view{Title: "Connections", Page: p, Errors: formErrors(found)})
}

func (s *server) fillFlows(r *http.Request, p *flowsPage, f ConnectionFilter) error {
	draft, err := s.Store.Draft(r.Context())
	if err != nil {
		return err
	}
	objects := deciding(draft)
	offset, _ := part(r)
	all, total, err := s.Gateway.Connections(r.Context(), f, p.Order, offset, rowsOnPage)
	if err != nil {
		return err
	}
	for _, c := range all {
		line := connectionLine{Connection: c, Service: service(c.Protocol, c.To.Port), Object: objects[c.Rule]}
		line.End = "/firewall/connections/end?" + url.Values{"id": {c.ID}}.Encode()
		p.Connections = append(p.Connections, line)
	}
	p.Zones, p.Total = zonesOf(draft), total
	p.First, p.Last = offset+1, offset+len(all)
	p.Back, p.More = around(r, offset, len(all), total)
	p.Talkers, p.Live = s.Gateway.Talkers(p.Window, talkersShown), total <= liveUpTo
	return nil
}

// deciding are the addresses of the rules and forwards of a document.
func deciding(doc store.Document) map[string]string {
	out := map[string]string{}
	for _, rule := range doc.Firewall.Rules {
		out[rule.Name] = editing("rules", rule.Name)
	}
	for _, forward := range doc.Firewall.Forwards {
		out[forward.Name] = editing("forwards", forward.Name)
	}
	return out
}

// ending is what the page asks before it ends connections.
type ending struct {
	Question    string
	Action      string
	Connections []connectionLine
	Total       int
}

func (s *server) endConnectionsPage(w http.ResponseWriter, r *http.Request) {
	f, err := ParseEnding(r.URL.Query())
	if err != nil {
		s.message(w, r, http.StatusUnprocessableEntity, "Which connection?", "Name one connection or one host.")
		return
	}
	all, total, err := s.Gateway.Connections(r.Context(), f, ByVolume, 0, 20)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	if total == 0 {
		s.message(w, r, http.StatusNotFound, "It is over", "There is no such connection any more.")
		return
	}
	p := ending{Question: "End this connection?", Action: r.URL.RequestURI(), Total: total}
	if f.ID == "" {
		p.Question = "End all connections of " + f.Whose() + "?"
	}
	for _, c := range all {
		p.Connections = append(p.Connections, connectionLine{Connection: c, Service: service(c.Protocol, c.To.Port)})
	}
	s.render(w, r, http.StatusOK, "flows_end", view{Title: p.Question, Page: p})
}

func (s *server) endConnections(w http.ResponseWriter, r *http.Request) {
	f, err := ParseEnding(r.URL.Query())
	if err != nil {
		s.message(w, r, http.StatusUnprocessableEntity, "Which connection?", "Name one connection or one host.")
		return
	}
	n, err := s.Gateway.EndConnections(r.Context(), f)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	switch n {
	case 0:
		s.flash(r, "There was no such connection any more.")
	default:
		s.flash(r, plural(n, "connection")+" ended.")
	}
	http.Redirect(w, r, "/firewall/connections", http.StatusSeeOther)
}

// apiFlows is a part of the connections; Next is the offset of the next part.
type apiFlows struct {
	Items []Connection `json:"items"`
	Total int          `json:"total"`
	Next  int          `json:"next,omitempty"`
}

func (s *server) apiConnections(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	f, err := ParseConnectionFilter(q)
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	offset, _ := part(r)
	found, total, err := s.Gateway.Connections(r.Context(), f, orderingOf(q.Get("order")), offset, limitOf(q))
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	out := apiFlows{Items: append([]Connection{}, found...), Total: total}
	if offset+len(found) < total {
		out.Next = offset + len(found)
	}
	s.answer(w, http.StatusOK, "application/json", out)
}

func (s *server) apiEndConnections(w http.ResponseWriter, r *http.Request) {
	f, err := ParseEnding(r.URL.Query())
	var n int
	if err == nil {
		n, err = s.Gateway.EndConnections(r.Context(), f)
	}
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	s.answer(w, http.StatusOK, "application/json", map[string]int{"ended": n})
}

func (s *server) apiTalkers(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	s.answer(w, http.StatusOK, "application/json", s.Gateway.Talkers(windowOf(q), limitOf(q)))
}

// minutesText is a window on the page: "5 minutes", "hour".
func minutesText(d time.Duration) string {
	if d == time.Hour {
		return "hour"
	}
	return fmt.Sprintf("%d minutes", int(d.Minutes()))
}
