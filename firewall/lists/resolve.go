package lists

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/miekg/dns"
)

// Bounds of a look-up.
const (
	askTimeout = 3 * time.Second // for one question to one server
	maxAliases = 16              // CNAMEs in a row
	maxAnswers = 512             // addresses of one family
	// udpSize is what an answer may have without being cut into fragments, as
	// the DNS Flag Day 2020 chose it, in bytes.
	udpSize = 1232
)

// Resolver asks name servers, because the times to live are not to be had from
// the system.
type Resolver struct {
	// Servers gives their addresses with ports; nil means those of
	// /etc/resolv.conf.
	Servers func() ([]string, error)
}

// Answer is one address and how long it holds.
type Answer struct {
	Address netip.Addr
	TTL     time.Duration
}

// Lookup asks for the A or the AAAA records of a name (RFC 1035 3.4.1, RFC 3596
// 2.1) and follows its aliases. No addresses and no error means that the name has
// none of this family. The error is a Fault.
func (r *Resolver) Lookup(ctx context.Context, name string, v6 bool) ([]Answer, error) {
	servers := r.Servers
	if servers == nil {
		servers = systemServers
	}
	all, err := servers()
	if err == nil && len(all) == 0 {
		err = errors.New("none is configured")
	}
	if err != nil {
		return nil, Fault{"There is no name server to ask", err}
	}
	for _, server := range all {
		var found []Answer
		if found, err = follow(ctx, server, name, v6); err == nil {
			return found, nil
		}
		var none noSuchName
		if errors.As(err, &none) {
			return nil, Fault{fmt.Sprintf("There is no host called %s", string(none)), nil}
		}
	}
	return nil, Fault{"No name server could say", err}
}

func systemServers() ([]string, error) {
	c, err := dns.ClientConfigFromFile("/etc/resolv.conf")
	if err != nil {
		return nil, err
	}
	var out []string
	for _, s := range c.Servers {
		out = append(out, net.JoinHostPort(s, c.Port))
	}
	return out, nil
}

// noSuchName is a name that does not exist (RFC 1035 4.1.1, code 3).
type noSuchName string

func (n noSuchName) Error() string { return "no such name: " + string(n) }

// follow asks one server until it names addresses, because not every server
// follows aliases by itself.
func follow(ctx context.Context, server, name string, v6 bool) ([]Answer, error) {
	kind := dns.TypeA
	if v6 {
		kind = dns.TypeAAAA
	}
	owner, ttl := dns.CanonicalName(name), time.Duration(1<<62)
	for aliases := 0; ; {
		reply, err := ask(ctx, server, owner, kind)
		if err != nil {
			return nil, err
		}
		asked := owner
		for alias := aliasIn(reply, owner); alias != nil; alias = aliasIn(reply, owner) {
			if aliases++; aliases > maxAliases {
				return nil, fmt.Errorf("%s has more than %d aliases in a row", name, maxAliases)
			}
			owner, ttl = dns.CanonicalName(alias.Target), min(ttl, lifetime(alias))
		}
		found, err := addressesIn(reply, owner, ttl)
		if err != nil || len(found) > 0 || owner == asked || reply.Rcode == dns.RcodeNameError {
			if err == nil && reply.Rcode == dns.RcodeNameError {
				err = noSuchName(owner)
			}
			return found, err
		}
	}
}

// ask sends one question, by TCP if the answer does not fit otherwise.
func ask(ctx context.Context, server, name string, kind uint16) (*dns.Msg, error) {
	question := new(dns.Msg).SetQuestion(name, kind)
	question.SetEdns0(udpSize, false)
	client := dns.Client{Net: "udp", Timeout: askTimeout, UDPSize: udpSize}
	reply, _, err := client.ExchangeContext(ctx, question, server)
	if err == nil && reply.Rcode == dns.RcodeFormatError {
		question.Extra = nil // a server from before EDNS (RFC 6891 7)
		reply, _, err = client.ExchangeContext(ctx, question, server)
	}
	if err == nil && reply.Truncated {
		client.Net = "tcp"
		reply, _, err = client.ExchangeContext(ctx, question, server)
	}
	switch {
	case err != nil:
		return nil, err
	case !reply.Response || len(reply.Question) != 1 || dns.CanonicalName(reply.Question[0].Name) != name || reply.Question[0].Qtype != kind:
		return nil, fmt.Errorf("%s answered another question", server)
	case reply.Rcode != dns.RcodeSuccess && reply.Rcode != dns.RcodeNameError:
		return nil, fmt.Errorf("%s answered %s", server, dns.RcodeToString[reply.Rcode])
	case reply.Truncated:
		return nil, fmt.Errorf("%s cut its answer, also over TCP", server)
	}
	return reply, nil
}

func lifetime(r dns.RR) time.Duration { return time.Duration(r.Header().Ttl) * time.Second }

func aliasIn(reply *dns.Msg, owner string) *dns.CNAME {
	for _, r := range reply.Answer {
		if c, ok := r.(*dns.CNAME); ok && dns.CanonicalName(c.Hdr.Name) == owner {
			return c
		}
	}
	return nil
}

func addressesIn(reply *dns.Msg, owner string, ttl time.Duration) ([]Answer, error) {
	var out []Answer
	for _, r := range reply.Answer {
		var ip net.IP
		switch r := r.(type) {
		case *dns.A:
			ip = r.A
		case *dns.AAAA:
			ip = r.AAAA
		}
		a, ok := netip.AddrFromSlice(ip)
		// What is on no network is no host to allow or deny.
		if a = a.Unmap(); !ok || dns.CanonicalName(r.Header().Name) != owner || a.IsUnspecified() || a.IsLoopback() || a.IsMulticast() {
			continue
		}
		if len(out) == maxAnswers {
			return nil, fmt.Errorf("%s has more than %d addresses", owner, maxAnswers)
		}
		out = append(out, Answer{a, min(ttl, lifetime(r))})
	}
	return out, nil
}
