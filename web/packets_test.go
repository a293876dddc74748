package web

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"gatehouse/store"
	"gatehouse/traffic"
)

// packetLog is a firewall's log as the pages see it.
type packetLog struct {
	ring   *traffic.Ring[Packet]
	missed map[string]uint64
}

func (g *packetLog) Packets(f PacketFilter, before uint64, limit int) ([]Packet, bool) {
	if g.ring == nil {
		return nil, false
	}
	found, more := g.ring.Before(before, limit, f.Matches)
	return unnumbered(found), more
}

func (g *packetLog) PacketsAfter(f PacketFilter, after uint64, limit int) ([]Packet, uint64) {
	found, last := g.ring.After(after, limit, f.Matches)
	return unnumbered(found), last
}

func (g *packetLog) PacketNews(after uint64) <-chan struct{} {
	if g.ring == nil {
		return nil
	}
	return g.ring.News(after)
}

func (g *packetLog) Unreported(context.Context) (map[string]uint64, error) { return g.missed, nil }

func unnumbered(in []traffic.Numbered[Packet]) (out []Packet) {
	for _, n := range in {
		n.Entry.Number = n.Number
		out = append(out, n.Entry)
	}
	return out
}

func at(name, zone, address string, port uint16) Party {
	return Party{Name: name, Zone: zone, Address: netip.MustParseAddr(address), Port: port}
}

func (s *site) packets(all ...Packet) {
	s.gateway.ring = traffic.NewRing[Packet](1000)
	for _, p := range all {
		s.gateway.ring.Add(p)
	}
}

var (
	mail = Packet{Time: time.Date(2026, 11, 25, 9, 0, 1, 0, time.UTC), Rule: "no-mail-from-office", Action: "reject", In: "lan0", Out: "wan0",
		From: at("alice-pc", "lan", "10.1.0.7", 40000), To: at("", "wan", "192.0.2.25", 25), Protocol: "tcp"}
	spoofed = Packet{Time: time.Date(2026, 11, 25, 9, 0, 2, 0, time.UTC), Rule: "spoof-wan", Action: "drop", In: "wan0",
		From: at("", "lan", "fd00:1::7", 0), To: at("hq", "gateway", "2001:db8:1::2", 0), Protocol: "icmp"}
)

func TestTheLogSaysWhoWasStoppedByWhat(t *testing.T) {
	s := newSite(t)
	s.packets(mail, spoofed)
	s.gateway.missed = map[string]uint64{"wan-default": 1234, "no-mail-from-office": 0}
	page := s.loggedIn(t).get("/firewall/log")
	page.want(t, http.StatusOK, "alice-pc", "10.1.0.7:40000", "192.0.2.25:25", "Mail, TCP port 25", "Rejected",
		"/objects/rules/edit?name=no-mail-from-office",
		"/firewall/trace?destination=192.0.2.25&amp;from=lan&amp;port=25&amp;protocol=tcp&amp;source=10.1.0.7",
		"It came from the internet with a source that cannot be there.", "fd00:1::7", "Ping or ICMP",
		"wan-default</strong>: 1234 more packets", `data-stream="/api/v1/firewall/log/stream"`)
	if strings.Index(page.body, "spoof-wan") > strings.Index(page.body, "alice-pc") {
		t.Error("the newest is not first")
	}
	if strings.Contains(page.body, "no-mail-from-office</strong>:") {
		t.Error("nothing is missing of the rule")
	}
}

func TestTheLogIsFiltered(t *testing.T) {
	s := newSite(t)
	s.packets(mail, spoofed)
	b := s.loggedIn(t)
	for _, row := range []struct {
		query         string
		mail, spoofed bool
	}{
		{"rule=spoof-wan", false, true},
		{"rule=spoof", false, false},
		{"address=10.1.0.7", true, false},
		{"address=192.0.2.0/24", true, false},
		{"address=192.0.2.25/24", true, false},
		{"address=::ffff:10.1.0.7", true, false},
		{"address=fd00::/16", false, true},
		{"address=Alice-PC", true, false},
		{"address=alice", false, false},
		{"zone=wan", true, false},
		{"zone=lan", true, true},
		{"action=drop", false, true},
		{"action=allow", false, false},
		{"port=25", true, false},
		{"port=40000", true, false},
		{"zone=gateway&action=drop&address=hq", false, true},
		{"before=2", true, false},
		{"before=1", false, false},
		{"", true, true},
	} {
		page := b.get("/firewall/log?" + row.query)
		api := b.get("/api/v1/firewall/log?" + row.query)
		for _, a := range []answer{page, api} {
			if strings.Contains(a.body, "192.0.2.25") != row.mail && !strings.Contains(row.query, "192.0.2.25") || strings.Contains(a.body, "fd00:1::7") != row.spoofed {
				t.Errorf("%s: mail %v, spoofed %v expected:\n%s", row.query, row.mail, row.spoofed, a.body)
			}
		}
	}
	for query, words := range map[string]string{
		"address=10.1.0.0/33": "no address, network or name", "port=0": "from 1 to 65535", "port=http": "from 1 to 65535", "action=burn": "drop, reject or allow",
	} {
		b.get("/firewall/log?"+query).want(t, http.StatusUnprocessableEntity, words)
		b.get("/api/v1/firewall/log?"+query).want(t, http.StatusUnprocessableEntity, words)
		b.get("/api/v1/firewall/log/stream?"+query).want(t, http.StatusUnprocessableEntity, words)
	}
}

func TestTheLogComesInParts(t *testing.T) {
	s := newSite(t)
	all := make([]Packet, packetsShown+1)
	for i := range all {
		all[i] = mail
	}
	all[0] = spoofed
	s.packets(all...)
	b := s.loggedIn(t)
	first := b.get("/firewall/log?port=&follow=no")
	first.want(t, http.StatusOK, "/firewall/log?before=2&amp;follow=no", `href="/firewall/log">Follow`)
	if strings.Contains(first.body, "spoof-wan") || strings.Contains(first.body, "data-stream") {
		t.Error("a paused page has the second part, or follows")
	}
	second := b.get("/firewall/log?before=2")
	second.want(t, http.StatusOK, "spoof-wan", ">Newest<")
	if strings.Contains(second.body, "data-refresh") {
		t.Error("an old part follows")
	}
	var part apiPackets
	if err := json.Unmarshal([]byte(b.get("/api/v1/firewall/log?limit=5").body), &part); err != nil || len(part.Items) != 5 || part.Before != 97 {
		t.Errorf("%v %+v", err, part)
	}
}

// What strangers can write into the log is their addresses only; a name is an
// admin's, and still text.
func TestNamesInTheLogAreText(t *testing.T) {
	s := newSite(t)
	p := mail
	p.From.Name, p.Rule, p.Protocol = "<script>", "<b>", "<i>"
	s.packets(p)
	page := s.loggedIn(t).get("/firewall/log")
	for _, tag := range []string{"<script>", "<b>", "<i>"} {
		if strings.Contains(page.body, tag) {
			t.Errorf("%s stands in the page", tag)
		}
	}
}

func TestTheStreamTellsWhatIsNewAndMatches(t *testing.T) {
	s := newSite(t)
	s.packets(mail)
	b := s.loggedIn(t)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	open := func() *http.Response {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL+"/api/v1/firewall/log/stream?rule=spoof-wan", nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := b.client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { resp.Body.Close() })
		return resp
	}
	resp := open()
	if kind := resp.Header.Get("Content-Type"); kind != "text/event-stream" {
		t.Errorf("it is %s", kind)
	}
	lines := bufio.NewScanner(resp.Body)
	// Its first line comes when it knows from where on packets are new.
	if !lines.Scan() || !strings.HasPrefix(lines.Text(), "retry:") {
		t.Fatal(lines.Text(), lines.Err())
	}
	s.gateway.ring.Add(mail)
	s.gateway.ring.Add(spoofed)
	for lines.Scan() {
		text, ok := strings.CutPrefix(lines.Text(), "data: ")
		if !ok {
			continue
		}
		var got []Packet
		if err := json.Unmarshal([]byte(text), &got); err != nil || len(got) != 1 || got[0].Number != 3 || got[0].Rule != "spoof-wan" {
			t.Errorf("%v %s", err, text)
		}
		break
	}
	if lines.Err() != nil {
		t.Error(lines.Err())
	}
	// Nobody takes all of the gateway's time.
	for range maxStreams - 1 {
		if resp := open(); resp.StatusCode != http.StatusOK {
			t.Fatalf("refused with %d", resp.StatusCode)
		}
	}
	if resp := open(); resp.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("one too many is answered with %d", resp.StatusCode)
	}
	s.gateway.ring.Close()
}

func TestServicesAndReasonsInWords(t *testing.T) {
	for want, got := range map[string]string{
		"Web (TLS), TCP port 443": service("tcp", 443), "UDP port 5000": service("udp", 5000), "TCP fragment": service("tcp", 0),
		"ESP": service(ProtocolName(50), 0), "Ping or ICMP": service(ProtocolName(58), 0), "IP protocol 89": service(ProtocolName(89), 0),
		"": because("my-rule"), "It came from zone guest with a source that cannot be there.": because("spoof-guest"),
		"More than the limit of rule web lets through.": because("over-web"),
	} {
		if got != want {
			t.Errorf("%q, not %q", got, want)
		}
	}
}

func FuzzParsePacketFilter(f *testing.F) {
	for _, seed := range []string{"address=10.1.0.7", "address=fe80::1%25eth0", "address=10.0.0.0/8&port=1", "zone=wan&action=drop&rule=x", "address=0.0.0.0/0"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, query string) {
		q, err := url.ParseQuery(query)
		if err != nil {
			return
		}
		filter, err := ParsePacketFilter(q)
		if _, ok := err.(store.ValidationError); err != nil && !ok {
			t.Errorf("%q: %v", query, err)
		}
		filter.Matches(Packet{})
		if filter.Network.IsValid() && filter.Network != filter.Network.Masked() {
			t.Errorf("%q: %s has bits behind its length", query, filter.Network)
		}
	})
}
