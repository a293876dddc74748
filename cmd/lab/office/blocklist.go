package office

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"syscall"
	"time"

	"gatehouse/store"
	"gatehouse/web"
)

// listServer serves one text on the internet, as the makers of block lists do.
type listServer struct {
	listener net.Listener

	mu   sync.Mutex
	kind string
	text string
}

func newListServer(h *Host, addr string) (*listServer, error) {
	s := &listServer{kind: "text/plain"}
	err := h.Do(func() (err error) {
		s.listener, err = net.Listen("tcp", addr)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", h.Name, err)
	}
	go http.Serve(s.listener, s)
	return s, nil
}

func (s *listServer) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	w.Header().Set("Content-Type", s.kind)
	io.WriteString(w, s.text)
}

func (s *listServer) set(kind, text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.kind, s.text = kind, text
}

// fetched is how the one source of hq's list is.
func (g *Gateway) fetched(ctx context.Context) (web.ListSource, error) {
	out, err := g.tool(ctx, nil, "firewall", "lists", "--json")
	if err != nil {
		return web.ListSource{}, err
	}
	var all []struct{ Sources []web.ListSource }
	if err := json.Unmarshal([]byte(out), &all); err != nil {
		return web.ListSource{}, err
	}
	if len(all) != 1 || len(all[0].Sources) != 1 {
		return web.ListSource{}, fmt.Errorf("the lists are %s", out)
	}
	return all[0].Sources[0], nil
}

// blockListed: the web serves a block list. hq fetches it, and mallory, who gets
// through before, does not after, by both families and without an apply; what
// mallory had open ends, and who is not on the list gets through as before. When
// the server sends something else, or nobody is there at a start, the last good
// copy holds.
func blockListed(ctx context.Context, l *Office) (string, error) {
	const harmless = "; a block list\n192.0.2.1 ; nobody\n"
	const evil = harmless + malloryAddr + " ; SBL1\n2001:db8:1::66/128 # the same\n"
	server, err := newListServer(l.Web, ":8081")
	if err != nil {
		return "", err
	}
	defer server.listener.Close()
	server.set("text/plain", harmless)
	doc := hqDocument(psk, rekeyInChecks)
	doc.Lists = []store.List{{Name: "evil", URLs: []string{"http://" + webAddr + ":8081/drop.txt"}}}
	doc.Firewall.Rules = []store.Rule{
		{Name: "no-evil", From: store.ZoneWAN, To: store.ZoneLAN, SourceLists: []string{"evil"}, Action: store.Drop},
		{Name: "open-web", From: store.ZoneWAN, To: store.ZoneLAN, Protocol: "tcp", Ports: []store.PortRange{{First: 80, Last: 80}}, Action: store.Allow},
	}
	doc.Firewall.Forwards = []store.Forward{{Name: "pc", Enabled: true, Protocol: "tcp",
		Ports: store.PortRange{First: 8088, Last: 8088}, To: store.Target{Addr: netip.MustParseAddr(hqPC)}, ToPort: 80}}
	if err := errors.Join(l.Inet.route("fd00:1::/64", hqWAN6), l.HQ.Configure(ctx, doc)); err != nil {
		return "", err
	}
	// through says whether both ways are open to somebody.
	through := func(h *Host, want bool) error {
		return until(ctx, 20*time.Second, fmt.Sprintf("the way from %s to be open: %v", h.Name, want), func() error {
			for _, way := range []string{hqWAN + ":8088", "[" + hqPC6 + "]"} {
				if _, err := h.knocks(ctx, way); (err == nil) != want {
					return fmt.Errorf("%s: %v", way, err)
				}
			}
			return nil
		})
	}
	fetchedNow := func(what string, is func(web.ListSource) bool) error {
		if _, err := l.HQ.tool(ctx, nil, "firewall", "fetch", "evil"); err != nil {
			return err
		}
		return until(ctx, 20*time.Second, what, func() error {
			s, err := l.HQ.fetched(ctx)
			if err == nil && !is(s) {
				err = fmt.Errorf("it is %+v", s)
			}
			return err
		})
	}
	before, err := l.HQ.Status(ctx)
	if err == nil {
		err = errors.Join(fetchedNow("the list", func(s web.ListSource) bool { return s.Entries == 1 }), through(l.Mallory, true), through(l.Web, true))
	}
	if err != nil {
		return "", err
	}
	bad, err := l.Mallory.Dial(ctx, "tcp", hqWAN+":8088")
	if err != nil {
		return "", err
	}
	defer bad.Close()
	good, err := l.Web.Dial(ctx, "tcp", hqWAN+":8088")
	if err != nil {
		return "", err
	}
	defer good.Close()
	if err := errors.Join(served(bad), served(good)); err != nil {
		return "", err
	}
	server.set("text/plain", evil)
	began := time.Now()
	faults := []error{
		fetchedNow("the new list", func(s web.ListSource) bool { return s.Entries == 3 }),
		through(l.Mallory, false),
	}
	took := time.Since(began)
	if served(bad) == nil {
		faults = append(faults, errors.New("what mallory had open goes on"))
	}
	faults = append(faults, served(good), through(l.Web, true))
	server.set("text/html", "<html>maintenance</html>")
	faults = append(faults, fetchedNow("a web page to be refused", func(s web.ListSource) bool {
		return s.Entries == 3 && strings.Contains(s.Problem, "web page")
	}), through(l.Mallory, false))
	after, err := l.HQ.Status(ctx)
	if err == nil && after.Revision != before.Revision {
		err = fmt.Errorf("revision %d became %d", before.Revision, after.Revision)
	}
	// A start without the server, and without what the kernel knew.
	faults = append(faults, err, l.hqPage().says(ctx, "/objects/lists/elsewhere?name=evil", "The server sent a web page, not a list"),
		server.listener.Close(), l.HQ.Stop(syscall.SIGTERM))
	_, err = l.HQ.Output(ctx, "nft", "delete", "table", "inet", "gatehouse")
	faults = append(faults, err, l.HQ.Boot(ctx), through(l.Web, true))
	if _, err := l.Mallory.knocks(ctx, hqWAN+":8088"); err == nil {
		faults = append(faults, errors.New("mallory gets through after a start"))
	}
	_, err = l.Inet.Output(ctx, "ip", "route", "del", "fd00:1::/64")
	faults = append(faults, err, l.HQ.Configure(ctx, hqDocument(psk, rekeyInChecks)), l.HQ.WaitUp(ctx, "branch"))
	if err := errors.Join(faults...); err != nil {
		return "", err
	}
	return fmt.Sprintf("mallory was refused %.1f s after the list was fetched and what was open ended, nothing was applied; a web page in its place and a start without it changed nothing", took.Seconds()), nil
}

// showList gives hq a list that comes from elsewhere, for who looks around.
func (l *Office) showList(ctx context.Context) error {
	server, err := newListServer(l.Web, ":8081")
	if err != nil {
		return err
	}
	text := "; a block list\nthis line is no address\n"
	for i := range 400 {
		text += fmt.Sprintf("198.18.%d.%d ; SBL%d\n", i/100, 2*(i%100), 1000+i)
	}
	server.set("text/plain", text)
	doc := hqDocument(psk, 0)
	doc.Lists = []store.List{{Name: "drop", URLs: []string{"http://" + webAddr + ":8081/drop.txt"}, Countries: []string{"NL"}}}
	return l.HQ.Configure(ctx, doc)
}
