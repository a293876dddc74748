package lists

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"syscall"
	"time"
)

// guard keeps the gateway's requests from the gateway itself: its page and its
// other services trust who comes from there, and a server that a list comes
// from can lead a request anywhere, by a redirect or by its name's address.
type guard struct {
	// own are the addresses of this machine.
	own func() ([]netip.Addr, error)
}

const dialTimeout = 10 * time.Second

// hop says how a request came to be.
type hop struct {
	// named is the address that the admin's URL has in place of a host name. The
	// admin may name any.
	named netip.Addr
	// redirected says that a server chose where it goes.
	redirected bool
}

type hopKey struct{}

func withHop(ctx context.Context, h hop) context.Context { return context.WithValue(ctx, hopKey{}, h) }

// named is the address in a URL; invalid if it has a host name.
func named(u *url.URL) netip.Addr {
	a, _ := netip.ParseAddr(u.Hostname())
	return a.Unmap()
}

// dial connects to what a name resolves to now, if it may. The check is made of
// the address that is connected to, so a name cannot change in between.
func (g guard) dial(ctx context.Context, network, address string) (net.Conn, error) {
	where, _ := ctx.Value(hopKey{}).(hop)
	d := net.Dialer{Timeout: dialTimeout, ControlContext: func(_ context.Context, _, address string, _ syscall.RawConn) error {
		to, err := netip.ParseAddrPort(address)
		if err != nil {
			return err
		}
		return g.permit(where, to.Addr())
	}}
	return d.DialContext(ctx, network, address)
}

func (g guard) permit(h hop, to netip.Addr) error {
	to = to.Unmap()
	if to == h.named {
		return nil
	}
	own, err := g.own()
	if err != nil {
		return fmt.Errorf("the gateway's own addresses: %w", err)
	}
	switch {
	case to.IsLoopback() || to.IsUnspecified() || slices.Contains(own, to.WithZone("")):
		return Fault{fmt.Sprintf("The server's address is %s, which is this gateway itself", to), nil}
	case to.IsLinkLocalUnicast() || to.IsMulticast():
		return Fault{fmt.Sprintf("The server's address is %s, which no server on the internet has", to), nil}
	case h.redirected && to.IsPrivate():
		return Fault{fmt.Sprintf("The server leads to %s, which is inside", to), nil}
	}
	return nil
}

func ownAddresses() ([]netip.Addr, error) {
	all, err := net.InterfaceAddrs()
	if err != nil {
		return nil, err
	}
	var out []netip.Addr
	for _, a := range all {
		if n, ok := a.(*net.IPNet); ok {
			if addr, ok := netip.AddrFromSlice(n.IP); ok {
				out = append(out, addr.Unmap())
			}
		}
	}
	return out, nil
}
