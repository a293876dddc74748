package ike

import (
	"net/netip"
	"testing"
	"time"

	"gatehouse/ipsec/crypto"
)

// Every profile finds a suite with every other one that shares any, and the
// strict one never gives in.
func TestProfilesMeet(t *testing.T) {
	for _, row := range []struct {
		name        string
		left, right crypto.Profile
		want        string // empty: they must not meet
	}{
		{"two Gatehouses", crypto.ForGatehouse, crypto.ForGatehouse, "aes256gcm16-x25519-ke1_mlkem768"},
		{"a Gatehouse and a partner", crypto.ForGatehouse, crypto.ForPartner, "aes256gcm16-x25519-ke1_mlkem768"},
		{"a partner and somebody strict", crypto.ForPartner, crypto.Strict, ""},
		{"an old device's settings on both sides", crypto.ForLegacy, crypto.ForLegacy, "aes256gcm16-x25519"},
		{"two strict ones", crypto.Strict, crypto.Strict, "aes256gcm16-prfsha384-ecp384-ke1_mlkem1024"},
		{"a strict one and a Gatehouse", crypto.Strict, crypto.ForGatehouse, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			a, b := offices()
			a.IKE, a.Children[0].Suites = row.left.Suites()
			b.IKE, b.Children[0].Suites = row.right.Suites()
			l := newLink(t, a, b)
			l.run(5 * time.Second)
			e, ok := last[Established](l.right)
			if ok != (row.want != "") || ok && e.Suite.String() != row.want {
				t.Errorf("established %v by %s, want %q\n%s", ok, e.Suite, row.want, l.ladder.String())
			}
		})
	}
}

// A first message is answered with what any connection accepts. When it is
// known who calls, that must be something that this connection accepts.
func TestASuiteOfAnotherConnectionIsRefusedOnceTheCallerIsKnown(t *testing.T) {
	a, b := offices()
	weak, err := crypto.ParseIKESuite("3des-sha1-modp1024")
	if err != nil {
		t.Fatal(err)
	}
	a.IKE = []crypto.Suite{weak}
	l := newLink(t, a, b)
	l.right.sa.env.Suites = func(netip.Addr) []crypto.Suite { return append(crypto.DefaultIKESuites(), weak) }
	l.run(5 * time.Second)
	if r, _ := failure(l.right); r.Code != NoProposal || len(r.Got) != 1 || r.Got[0] != weak.String() {
		t.Errorf("right: %+v", r)
	}
	if r, _ := failure(l.left); r.Code != NoProposal || !r.ByPeer {
		t.Errorf("left: %+v", r)
	}
}
