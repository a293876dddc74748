package web

import (
	"context"
	"encoding/json"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"gatehouse/store"
)

// flowTable are connections as the pages see them.
type flowTable struct {
	flows   []Connection
	asked   []Ordering
	ended   []ConnectionFilter
	talkers Talkers
}

func (g *flowTable) Connections(_ context.Context, f ConnectionFilter, o Ordering, offset, limit int) (found []Connection, total int, err error) {
	g.asked = append(g.asked, o)
	for _, c := range g.flows {
		if !f.Matches(c) {
			continue
		}
		if total++; total > offset && len(found) < limit {
			found = append(found, c)
		}
	}
	return found, total, nil
}

func (g *flowTable) EndConnections(ctx context.Context, f ConnectionFilter) (int, error) {
	g.ended = append(g.ended, f)
	_, n, err := g.Connections(ctx, f, ByVolume, 0, 0)
	return n, err
}

func (g *flowTable) Talkers(window time.Duration, limit int) Talkers {
	t := g.talkers
	t.Hosts, t.Seconds = t.Hosts[:min(limit, len(t.Hosts))], window.Seconds()
	return t
}

// flowing puts three connections into a site.
func flowing(t *testing.T) *site {
	s := newSite(t)
	led := at("web", "lan", "10.1.0.20", 8080)
	branch := at("", "vpn", "10.2.0.9", 51000)
	branch.Branch = "leeds"
	s.gateway.flows = []Connection{
		{ID: "a1", Protocol: "tcp", From: at("alice-pc", "lan", "10.1.0.7", 40000), To: at("", "wan", "192.0.2.1", 443), Action: "allow",
			Seen: netip.MustParseAddrPort("203.0.113.2:40000"), Sent: 1500, Received: 12_345_678, Began: s.now.Add(-3 * time.Minute), Answered: true},
		{ID: "b2", Protocol: "tcp", From: at("", "wan", "198.51.100.9", 50000), To: at("hq (internet)", "gateway", "203.0.113.2", 80), Led: &led,
			Action: "allow", Rule: "no-mail-from-office", Answered: true},
		{ID: "c3", Protocol: "udp", From: branch, To: at("alice-pc", "lan", "10.1.0.7", 5000), Action: "drop", Rule: "gone"},
	}
	s.gateway.talkers = Talkers{Hosts: []Talker{{at("alice-pc", "lan", "10.1.0.7", 0), Moved{3_000_000, 30_000_000}}}, Others: Moved{1, 1}}
	return s
}

func TestConnectionsSayWhoTalksToWhom(t *testing.T) {
	s := flowing(t)
	b := s.loggedIn(t)
	b.get("/firewall/connections").want(t, http.StatusOK, "alice-pc", "10.1.0.7:40000", "Web (TLS), TCP port 443", "12.3 MB", "3 minutes",
		"seen as <code>203.0.113.2:40000", "what the zones may do", "led to web <code>10.1.0.20:8080", "/objects/rules/edit?name=no-mail-from-office",
		"through the tunnel of leeds", "Dropped</span> by the rules now", "no answer yet", "1 to 3 of 3", "data-refresh",
		"/firewall/connections/end?id=a1", "30.0 MB", "800.0 kbit/s", "All others", "last 5 minutes")
	for _, row := range []struct {
		query string
		ids   string
	}{
		{"host=10.1.0.7", "a1 c3"}, {"host=alice-pc", "a1 c3"}, {"host=10.2.0.0/16", "c3"}, {"host=web", "b2"}, {"host=10.1.0.20", "b2"},
		{"host=hq", "b2"}, {"zone=vpn", "c3"}, {"zone=wan", "a1 b2"}, {"protocol=UDP", "c3"}, {"port=443", "a1"}, {"port=8080", "b2"},
		{"host=203.0.113.2", "a1 b2"}, {"host=alice-pc&port=5000", "c3"}, {"host=nobody", ""}, {"from=1&limit=1", "b2"},
	} {
		var got apiFlows
		if err := json.Unmarshal([]byte(b.get("/api/v1/firewall/connections?"+row.query).body), &got); err != nil {
			t.Fatal(err)
		}
		var ids []string
		for _, c := range got.Items {
			ids = append(ids, c.ID)
		}
		if strings.Join(ids, " ") != row.ids {
			t.Errorf("%s gives %v", row.query, ids)
		}
	}
	for query, words := range map[string]string{"host=10.0.0.0/99": "no address, network or name", "port=x": "from 1 to 65535"} {
		b.get("/firewall/connections?"+query).want(t, http.StatusUnprocessableEntity, words)
		b.get("/api/v1/firewall/connections?"+query).want(t, http.StatusUnprocessableEntity, words)
	}
	b.get("/firewall/connections?order=age&minutes=60").want(t, http.StatusOK, "last hour")
	if last := s.gateway.asked[len(s.gateway.asked)-1]; last != ByAge {
		t.Errorf("ordered by %s", last)
	}
	var talkers Talkers
	if err := json.Unmarshal([]byte(b.get("/api/v1/firewall/talkers?minutes=15").body), &talkers); err != nil || talkers.Seconds != 900 || talkers.Hosts[0].Received != 30_000_000 {
		t.Errorf("%v %+v", err, talkers)
	}
}

// A table that costs a lot to read is not read every few seconds.
func TestALargeTableIsReadWhenAskedFor(t *testing.T) {
	s := flowing(t)
	for len(s.gateway.flows) <= liveUpTo {
		s.gateway.flows = append(s.gateway.flows, s.gateway.flows...)
	}
	page := s.loggedIn(t).get("/firewall/connections")
	page.want(t, http.StatusOK, ">More<")
	if strings.Contains(page.body, "data-refresh") {
		t.Error("it is")
	}
}

func TestOperatorsEndConnections(t *testing.T) {
	s := flowing(t)
	b := s.account(t, "oscar", store.RoleOperator)
	b.get("/firewall/connections/end?id=a1").want(t, http.StatusOK, "End this connection?", "192.0.2.1:443", `action="/firewall/connections/end?id=a1"`)
	b.get("/firewall/connections/end?host=10.1.0.7").want(t, http.StatusOK, "End all connections of 10.1.0.7?", "5000")
	if len(s.gateway.ended) > 0 {
		t.Error("asking ended it")
	}
	b.post("/firewall/connections/end?id=a1").want(t, http.StatusSeeOther)
	b.get("/firewall/connections").want(t, http.StatusOK, "1 connection ended.")
	b.post("/firewall/connections/end?host=alice-pc").want(t, http.StatusSeeOther)
	b.get("/firewall/connections").want(t, http.StatusOK, "2 connections ended.")
	b.post("/firewall/connections/end?id=gone").want(t, http.StatusSeeOther)
	b.get("/firewall/connections").want(t, http.StatusOK, "no such connection any more")
	b.get("/firewall/connections/end?id=gone").want(t, http.StatusNotFound, "It is over")
	b.post("/api/v1/firewall/connections/end?host=10.1.0.7").want(t, http.StatusOK, `{"ended":2}`)
	ended := len(s.gateway.ended)
	for _, query := range []string{"", "id=a1&host=10.1.0.7", "host=10.1.0.0/24", "host=0.0.0.0/0", "host=a/b"} {
		b.post("/firewall/connections/end?"+query).want(t, http.StatusUnprocessableEntity)
		b.post("/api/v1/firewall/connections/end?"+query).want(t, http.StatusUnprocessableEntity)
	}
	viewer := s.account(t, "vera", store.RoleViewer)
	viewer.post("/firewall/connections/end?id=a1").want(t, http.StatusForbidden)
	if page := viewer.get("/firewall/connections"); strings.Contains(page.body, "connections/end") {
		t.Error("a viewer is offered to end connections")
	}
	if len(s.gateway.ended) != ended {
		t.Error("a connection was ended that nobody may end")
	}
}
