package lists

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// nameServer answers from records as in a zone file, over UDP and TCP.
type nameServer struct {
	addr string

	mu      sync.Mutex
	records []dns.RR
	// rcodes overrule, by the name.
	rcodes map[string]int
	noEDNS bool
	chases bool // follows aliases by itself
	asked  []string
}

func newNameServer(t testing.TB, records ...string) *nameServer {
	t.Helper()
	s := &nameServer{rcodes: map[string]int{}, chases: true}
	s.set(t, records...)
	packets, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.addr = packets.LocalAddr().String()
	streams, err := net.Listen("tcp", s.addr)
	if err != nil {
		t.Fatal(err)
	}
	for _, server := range []*dns.Server{{PacketConn: packets, Handler: s}, {Listener: streams, Handler: s}} {
		started := make(chan struct{})
		server.NotifyStartedFunc = func() { close(started) }
		go server.ActivateAndServe()
		<-started
		t.Cleanup(func() { server.Shutdown() })
	}
	return s
}

func (s *nameServer) set(t testing.TB, records ...string) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.records = nil
	for _, text := range records {
		r, err := dns.NewRR(text)
		if err != nil {
			t.Fatal(err)
		}
		s.records = append(s.records, r)
	}
}

func (s *nameServer) resolver() *Resolver {
	return &Resolver{Servers: func() ([]string, error) { return []string{s.addr}, nil }}
}

func (s *nameServer) ServeDNS(w dns.ResponseWriter, q *dns.Msg) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := new(dns.Msg).SetReply(q)
	name, kind := dns.CanonicalName(q.Question[0].Name), q.Question[0].Qtype
	over := w.LocalAddr().Network()
	s.asked = append(s.asked, over+" "+name)
	m.Rcode = s.rcodes[name]
	if s.noEDNS && q.IsEdns0() != nil {
		m.Rcode = dns.RcodeFormatError
	}
	known := false
	for m.Rcode == dns.RcodeSuccess {
		var alias string
		for _, r := range s.records {
			if dns.CanonicalName(r.Header().Name) != name {
				continue
			}
			known = true
			if r.Header().Rrtype == kind {
				m.Answer = append(m.Answer, r)
			}
			if c, ok := r.(*dns.CNAME); ok {
				m.Answer, alias = append(m.Answer, r), dns.CanonicalName(c.Target)
			}
		}
		if alias == "" || !s.chases || len(m.Answer) > 40 {
			break
		}
		name = alias
	}
	if !known && m.Rcode == dns.RcodeSuccess {
		m.Rcode = dns.RcodeNameError
	}
	if over == "udp" {
		size := dns.MinMsgSize
		if o := q.IsEdns0(); o != nil {
			size = int(o.UDPSize())
		}
		m.Truncate(size)
	}
	w.WriteMsg(m)
}

func answered(all []Answer) string {
	var out []string
	for _, a := range all {
		out = append(out, fmt.Sprintf("%s for %s", a.Address, a.TTL))
	}
	slices.Sort(out)
	return strings.Join(out, ", ")
}

func TestNamesAreLookedUpWithTheirTimeToLive(t *testing.T) {
	many := []string{}
	for i := range 200 {
		many = append(many, fmt.Sprintf("many.example. 60 A 192.0.2.%d", i+1))
	}
	chain := []string{}
	for i := range maxAliases + 1 {
		chain = append(chain, fmt.Sprintf("deep%d.example. 60 CNAME deep%d.example.", i, i+1))
	}
	records := slices.Concat(many, chain, []string{
		"www.example. 300 A 192.0.2.1", "www.example. 200 A 192.0.2.2", "www.example. 100 AAAA 2001:db8::1",
		"alias.example. 50 CNAME www.example.", "only4.example. 60 A 192.0.2.9",
		"odd.example. 60 A 127.0.0.1", "odd.example. 60 A 0.0.0.0", "odd.example. 60 A 224.0.0.1", "odd.example. 60 A 192.0.2.3",
		"loop.example. 60 CNAME pool.example.", "pool.example. 60 CNAME loop.example.",
		"broken.example. 60 A 192.0.2.4",
		fmt.Sprintf("deep%d.example. 60 A 192.0.2.5", maxAliases+1),
	})
	s := newNameServer(t, records...)
	s.fail("broken.example.")
	rows := []struct {
		name, ask string
		v6        bool
		want, err string
	}{
		{"addresses", "www.example", false, "192.0.2.1 for 5m0s, 192.0.2.2 for 3m20s", ""},
		{"of IPv6", "www.example", true, "2001:db8::1 for 1m40s", ""},
		{"in other letters", "WWW.Example.", false, "192.0.2.1 for 5m0s, 192.0.2.2 for 3m20s", ""},
		{"an alias that ends sooner", "alias.example", false, "192.0.2.1 for 50s, 192.0.2.2 for 50s", ""},
		{"none of this family", "only4.example", true, "", ""},
		{"what is no host", "odd.example", false, "192.0.2.3 for 1m0s", ""},
		{"a name that is not there", "nobody.example", false, "", "There is no host called nobody.example."},
		{"a server that fails", "broken.example", false, "", "SERVFAIL"},
		{"aliases in a circle", "loop.example", false, "", "aliases in a row"},
		{"aliases without an end", "deep0.example", false, "", "aliases in a row"},
	}
	for _, chases := range []bool{true, false} {
		s.change(func() { s.chases = chases })
		for _, row := range rows {
			t.Run(fmt.Sprintf("%s, the server follows aliases: %v", row.name, chases), func(t *testing.T) {
				got, err := s.resolver().Lookup(context.Background(), row.ask, row.v6)
				if answered(got) != row.want {
					t.Errorf("got %s, want %s", answered(got), row.want)
				}
				var f Fault
				if row.err == "" && err != nil || row.err != "" && (!errors.As(err, &f) || !strings.Contains(err.Error(), row.err)) {
					t.Errorf("the error is %v, want %q", err, row.err)
				}
			})
		}
	}
	s.change(func() { s.asked = nil })
	got, err := s.resolver().Lookup(context.Background(), "many.example", false)
	if err != nil || len(got) != 200 || strings.Join(s.asked, ", ") != "udp many.example., tcp many.example." {
		t.Errorf("an answer that does not fit: %d addresses, %v, after %v", len(got), err, s.asked)
	}
	s.change(func() { s.noEDNS = true })
	if got, err := s.resolver().Lookup(context.Background(), "only4.example", false); err != nil || len(got) != 1 {
		t.Errorf("a server from before EDNS: %v, %v", got, err)
	}
}

func TestTheNextServerIsAskedWhenOneIsSilent(t *testing.T) {
	silent, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := silent.LocalAddr().String()
	silent.Close() // so that nobody is there
	s := newNameServer(t, "www.example. 300 A 192.0.2.1")
	r := &Resolver{Servers: func() ([]string, error) { return []string{address, s.addr}, nil }}
	if got, err := r.Lookup(context.Background(), "www.example", false); err != nil || len(got) != 1 {
		t.Errorf("got %v, %v", got, err)
	}
	for _, servers := range [][]string{{}, {address}} {
		r.Servers = func() ([]string, error) { return servers, nil }
		if _, err := r.Lookup(context.Background(), "www.example", false); !errors.As(err, new(Fault)) {
			t.Errorf("with the servers %v: %v", servers, err)
		}
	}
}

// FuzzAnswer gives what a server may send to what reads it.
func FuzzAnswer(f *testing.F) {
	for _, text := range []string{"www.example. 60 A 192.0.2.1", "www.example. 60 CNAME www.example.", "www.example. 4294967295 AAAA ::ffff:192.0.2.1"} {
		r, err := dns.NewRR(text)
		if err != nil {
			f.Fatal(err)
		}
		m := new(dns.Msg).SetQuestion("www.example.", dns.TypeA)
		m.Answer = []dns.RR{r}
		packed, err := m.Pack()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(packed)
	}
	f.Fuzz(func(t *testing.T, packed []byte) {
		var m dns.Msg
		if m.Unpack(packed) != nil {
			return
		}
		owner, ttl := "www.example.", time.Hour
		for range maxAliases {
			if alias := aliasIn(&m, owner); alias != nil {
				owner, ttl = dns.CanonicalName(alias.Target), min(ttl, lifetime(alias))
			}
		}
		all, _ := addressesIn(&m, owner, ttl)
		for _, a := range all {
			if !a.Address.IsValid() || a.Address.IsLoopback() || a.Address.Is4In6() || a.TTL < 0 || a.TTL > time.Hour {
				t.Fatalf("%v", a)
			}
		}
	})
}

func (s *nameServer) change(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
}

func (s *nameServer) fail(name string) {
	s.change(func() { s.rcodes[name] = dns.RcodeServerFailure })
}
