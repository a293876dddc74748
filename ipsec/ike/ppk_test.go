package ike

import (
	"bytes"
	"testing"
	"time"

	"gatehouse/ipsec/crypto"
)

func ppkOffices(optional bool) (Peer, Peer) {
	a, b := offices()
	key := bytes.Repeat([]byte{7}, 32)
	a.PPK, b.PPK = &PPK{ID: "vault-1", Key: key, Optional: optional}, &PPK{ID: "vault-1", Key: bytes.Clone(key), Optional: optional}
	return a, b
}

// The key is in what children are made of, and nowhere without it.
func TestAPostQuantumKeyGoesIntoTheKeys(t *testing.T) {
	a, b := ppkOffices(false)
	l := newLink(t, a, b)
	l.run(2*delay + delay/2)
	before := bytes.Clone(l.right.sa.cur.keys.D)
	l.run(time.Second)
	l.paired(1)
	now, other := l.left.sa.cur.keys, l.right.sa.cur.keys
	if bytes.Equal(before, now.D) || !bytes.Equal(now.D, other.D) || !bytes.Equal(now.Pi, other.Pi) || !bytes.Equal(now.Pr, other.Pr) {
		t.Errorf("SK_d was %x, is %x here and %x there", before, now.D, other.D)
	}
	if want := crypto.PRFHMACSHA256.Plus(a.PPK.Key, before, 32); !bytes.Equal(now.D, want) {
		t.Errorf("SK_d is %x, not prf+(PPK, SK_d') %x (RFC 8784 section 3)", now.D, want)
	}
	l.step(l.left, RekeyChild)
	l.run(10 * time.Second)
	l.paired(1)
}

// Behind ML-KEM, and with certificates.
func TestAPostQuantumKeyBesideOthers(t *testing.T) {
	a, b := ppkOffices(false)
	a.IKE, _ = crypto.ForGatehouse.Suites()
	b.IKE, _ = crypto.ForGatehouse.Suites()
	l := newLink(t, a, b)
	l.run(time.Second)
	l.paired(1)
	c := certifiedOffices(t, "ed25519")
	c.a.PPK, c.b.PPK = a.PPK, b.PPK
	c.link(t).paired(1)
}

func TestPeersWithoutThePostQuantumKey(t *testing.T) {
	for name, row := range map[string]struct {
		optional    bool
		change      func(a, b *Peer)
		left, right Code // empty: they connect
		mixed       bool
	}{
		"the responder has none":                      {false, func(_, b *Peer) { b.PPK = nil }, PPKMissing, "", false},
		"the caller has none":                         {false, func(a, _ *Peer) { a.PPK = nil }, RejectedByPeer, PPKMissing, false},
		"the responder has another one":               {false, func(_, b *Peer) { b.PPK.ID = "vault-2" }, RejectedByPeer, PPKMissing, false},
		"the same name for another key":               {false, func(_, b *Peer) { b.PPK.Key[0] ^= 1 }, RejectedByPeer, WrongKey, false},
		"the responder has none, and need not":        {true, func(_, b *Peer) { b.PPK = nil }, "", "", false},
		"the caller has none, and need not":           {true, func(a, _ *Peer) { a.PPK = nil }, "", "", false},
		"the responder has another one, and need not": {true, func(_, b *Peer) { b.PPK.ID = "vault-2" }, "", "", false},
		"both have it, and need not":                  {true, func(_, _ *Peer) {}, "", "", true},
		"only the caller needs it":                    {false, func(_, b *Peer) { b.PPK.Optional, b.PPK.ID = true, "vault-2" }, RejectedByPeer, PPKMissing, false},
	} {
		t.Run(name, func(t *testing.T) {
			a, b := ppkOffices(row.optional)
			row.change(&a, &b)
			l := newLink(t, a, b)
			l.run(time.Second)
			if row.left == "" && row.right == "" {
				l.paired(1)
				if l.right.sa.start.mixed != row.mixed {
					t.Errorf("the key is in: %v", !row.mixed)
				}
				return
			}
			if r, _ := failure(l.left); r.Code != row.left {
				t.Errorf("left: %+v, want %s", r, row.left)
			}
			if r, _ := failure(l.right); row.right != "" && r.Code != row.right {
				t.Errorf("right: %+v, want %s", r, row.right)
			}
			if len(l.left.plane)+len(l.right.plane) != 0 {
				t.Error("SAs are installed")
			}
		})
	}
}
