package pathmtu

import (
	"net"
	"net/netip"
	"testing"
)

func TestTheWayToThisHostIsAsWideAsItsLoopback(t *testing.T) {
	lo, err := net.InterfaceByName("lo")
	if err != nil {
		t.Fatal(err)
	}
	p, err := Open(0)
	if err != nil {
		t.Fatal(err)
	}
	for _, addr := range []string{"127.0.0.1", "::1", "127.0.0.2"} { // from one peer to another, and back
		want := lo.MTU
		if addr != "::1" {
			want = min(want, 65535) // no packet of IPv4 is longer
		}
		if got, err := p.MTU(netip.MustParseAddr(addr)); err != nil || got != want {
			t.Errorf("%s: %d bytes, %v; want %d", addr, got, err, want)
		}
	}
	p.Close()
	p.Close() // twice is no harm
	if _, err := p.MTU(netip.MustParseAddr("127.0.0.1")); err == nil {
		t.Error("a closed one answers")
	}
}
