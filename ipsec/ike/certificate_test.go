package ike

import (
	"crypto/x509"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"gatehouse/ipsec/auth"
	"gatehouse/ipsec/authtest"
	"gatehouse/ipsec/wire"
)

func get(t testing.TB) func(*authtest.Holder, error) *authtest.Holder {
	return func(h *authtest.Holder, err error) *authtest.Holder {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return h
	}
}

// certified are two offices whose certificates one authority issued; change
// may spoil them.
type certified struct {
	root, other *authtest.Holder
	a, b        Peer
	left, right *authtest.Holder
}

func certifiedOffices(t testing.TB, kind string) *certified {
	t.Helper()
	c := &certified{root: get(t)(authtest.Root("Office CA", "p256", epoch)), other: get(t)(authtest.Root("Other CA", "p256", epoch))}
	c.a, c.b = offices()
	c.a.PSK, c.b.PSK = nil, nil
	c.left, c.right = get(t)(c.root.Issue(kind, epoch, nil, "leeds.example")), get(t)(c.root.Issue(kind, epoch, nil, "hq.example"))
	c.a.RemoteID, c.b.RemoteID = name(t, "hq.example"), name(t, "leeds.example")
	c.trust()
	return c
}

func name(t testing.TB, s string) auth.Identity {
	t.Helper()
	id, err := auth.ParseIdentity(s)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// trust gives both sides what they have.
func (c *certified) trust() {
	for p, h := range map[*Peer]*authtest.Holder{&c.a: c.left, &c.b: c.right} {
		p.Credential = &auth.Credential{Key: h.Key, Chain: []*x509.Certificate{h.Certificate}}
		for up := h.Above; up != nil && up.Above != nil; up = up.Above {
			p.Credential.Chain = append(p.Credential.Chain, up.Certificate)
		}
		p.Trust = &auth.Trust{Authorities: []*x509.Certificate{c.root.Certificate}}
	}
}

func (c *certified) link(t *testing.T, change ...func(*link)) *link {
	t.Helper()
	l := newLink(t, c.a, c.b, change...)
	l.run(time.Second)
	return l
}

func TestCertificatesOfEveryKindConnect(t *testing.T) {
	for _, kind := range []string{"rsa", "p256", "p384", "p521", "ed25519"} {
		t.Run(kind, func(t *testing.T) {
			l := certifiedOffices(t, kind).link(t)
			l.paired(1)
			for s, want := range map[*side]string{l.left: "hq.example", l.right: "leeds.example"} {
				if e, ok := last[Established](s); !ok || e.RemoteID.String() != want {
					t.Errorf("%s: %+v\n%s", s.name, e, l.ladder.String())
				}
			}
		})
	}
}

// A responder that takes certificates asks for them in its first answer, before
// it knows who calls (RFC 7296 section 1.2).
func TestACertificateIsAskedFor(t *testing.T) {
	c := certifiedOffices(t, "p256")
	l := newLink(t, c.a, c.b)
	l.right.sa.env.Trusted = trustedOf(c.b)
	l.run(time.Second)
	l.wantLadder(`
	left  ---> IKE_SA_INIT request 0 {SA, KE, Nonce}
	      <--- right IKE_SA_INIT response 0 {SA, KE, Nonce, CERTREQ}
	left  ---> IKE_AUTH request 1 {SK}
	      <--- right IKE_AUTH response 1 {SK}`)
	l.paired(1)
}

// A responder's answer loses its notify on the way, so that the caller takes it
// for one that does not know RFC 7427. What it then signs must be good for such
// a responder. (That the answer was changed is found by the other signature.)
func TestPeersWithoutRFC7427GetTheOldMethods(t *testing.T) {
	for _, kind := range []string{"rsa", "p256", "p384", "p521"} {
		t.Run(kind, func(t *testing.T) {
			c := certifiedOffices(t, kind)
			l := newLink(t, c.a, c.b)
			l.run(delay + delay/2)
			m, err := wire.Parse(l.inFlight[0].d.Data)
			if err != nil {
				t.Fatal(err)
			}
			m.Payloads = slices.DeleteFunc(m.Payloads, func(p wire.Payload) bool {
				n, ok := p.(*wire.Notify)
				return ok && n.NotifyType == wire.SignatureHashAlgorithms
			})
			if l.inFlight[0].d.Data, err = m.Marshal(); err != nil {
				t.Fatal(err)
			}
			l.run(5 * time.Second)
			if e, ok := last[Established](l.right); !ok || e.RemoteID.String() != "leeds.example" {
				t.Errorf("the old method is not accepted: %+v", e)
			}
			if r, _ := failure(l.left); r.Code != BadSignature {
				t.Errorf("the changed answer: %+v", r)
			}
		})
	}
}

func TestCertificatesThatAreRefused(t *testing.T) {
	for name, row := range map[string]struct {
		change      func(t *testing.T, c *certified)
		left, right Code
		says        string // in Got or Detail of the side that refused
	}{
		"one of another authority": {func(t *testing.T, c *certified) {
			c.left = get(t)(c.other.Issue("p256", epoch, nil, "leeds.example"))
		}, RejectedByPeer, CertificateUntrusted, "issued by CN=Other CA"},
		"one that has expired": {func(t *testing.T, c *certified) {
			c.left = get(t)(c.root.Issue("p256", epoch.Add(-48*time.Hour), nil, "leeds.example"))
		}, CertificateExpired, CertificateExpired, "the clock here says 2026-01-01"},
		"one with another name": {func(t *testing.T, c *certified) {
			c.left = get(t)(c.root.Issue("p256", epoch, nil, "york.example"))
			c.a.LocalID = auth.Identity{Type: auth.IDFQDN, Data: "leeds.example"}
		}, RejectedByPeer, CertificateName, "york.example"},
		"one of somebody else of this authority": {func(t *testing.T, c *certified) {
			c.left = get(t)(c.root.Issue("p256", epoch, nil, "york.example"))
		}, RejectedByPeer, WrongIdentity, "york.example"},
		"one for mail": {func(t *testing.T, c *certified) {
			c.left = get(t)(c.root.Issue("p256", epoch, func(x *x509.Certificate) {
				x.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageEmailProtection}
			}, "leeds.example"))
		}, RejectedByPeer, CertificateUnfit, "something else"},
		"the key of another certificate": {func(t *testing.T, c *certified) {
			c.left.Key = get(t)(c.root.Issue("p256", epoch, nil, "leeds.example")).Key
		}, RejectedByPeer, BadSignature, "leeds.example"},
		"a responder of another authority": {func(t *testing.T, c *certified) {
			c.right = get(t)(c.other.Issue("p256", epoch, nil, "hq.example"))
		}, CertificateUntrusted, RejectedByPeer, "issued by CN=Other CA"},
		"a responder with another name": {func(t *testing.T, c *certified) {
			c.right = get(t)(c.root.Issue("p256", epoch, nil, "york.example"))
		}, WrongIdentity, RejectedByPeer, "york.example"},
	} {
		t.Run(name, func(t *testing.T) {
			c := certifiedOffices(t, "p256")
			row.change(t, c)
			c.trust()
			l := c.link(t)
			said := ""
			for s, want := range map[*side]Code{l.left: row.left, l.right: row.right} {
				r, ok := failure(s)
				if !ok || r.Code != want {
					t.Errorf("%s: %+v, want %s", s.name, r, want)
				}
				said += r.Detail + strings.Join(r.Got, " ") + "\n"
			}
			if !strings.Contains(said, row.says) {
				t.Errorf("nobody says %q:\n%s", row.says, said)
			}
			if len(l.left.plane)+len(l.right.plane) != 0 {
				t.Error("SAs are installed")
			}
		})
	}
}

func TestMethodsMustBeThoseOfTheConnection(t *testing.T) {
	for name, change := range map[string]func(c *certified) (left, right Code){
		"a key where a certificate is wanted": func(c *certified) (Code, Code) {
			c.a.Credential, c.a.Trust, c.a.PSK = nil, nil, []byte("a key of enough length")
			c.a.LocalID = auth.Identity{Type: auth.IDFQDN, Data: "leeds.example"}
			return RejectedByPeer, UnsupportedMethod
		},
		"a certificate where a key is wanted": func(c *certified) (Code, Code) {
			c.b.Credential, c.b.Trust, c.b.PSK = nil, nil, []byte("a key of enough length")
			return RejectedByPeer, UnsupportedMethod
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := certifiedOffices(t, "p256")
			left, right := change(c)
			l := c.link(t)
			for s, want := range map[*side]Code{l.left: left, l.right: right} {
				if r, _ := failure(s); r.Code != want {
					t.Errorf("%s: %+v, want %s", s.name, r, want)
				}
			}
		})
	}
}

// The intermediates are sent; with a pinned certificate there is no authority
// and no name at all.
func TestChainsAndPinnedCertificates(t *testing.T) {
	c := certifiedOffices(t, "p256")
	between := get(t)(c.root.Authority("Leeds CA", "p256", epoch))
	c.left = get(t)(between.Issue("rsa", epoch, nil, "leeds.example"))
	c.trust()
	c.link(t).paired(1)

	c = certifiedOffices(t, "p256")
	c.left, c.right = get(t)(authtest.Alone("Leeds", "ed25519", epoch)), get(t)(authtest.Alone("HQ", "rsa", epoch))
	c.trust()
	c.a.RemoteID, c.b.RemoteID = auth.Identity{}, auth.Identity{}
	c.a.Trust, c.b.Trust = &auth.Trust{Pinned: []*x509.Certificate{c.right.Certificate}}, &auth.Trust{Pinned: []*x509.Certificate{c.left.Certificate}}
	c.link(t).paired(1)
}

// A peer that calls itself by its subject is known by another of its names.
func TestASubjectIsAnIdentity(t *testing.T) {
	c := certifiedOffices(t, "p256")
	c.a.LocalID = auth.Identity{Type: auth.IDDN, Data: string(c.left.Certificate.RawSubject)}
	l := c.link(t)
	l.paired(1)
	if e, ok := last[Established](l.right); !ok || e.RemoteID.String() != "CN=somebody,O=Test" {
		t.Errorf("%+v", e)
	}
}

func trustedOf(p Peer) func(netip.Addr) ([]*x509.Certificate, bool) {
	return func(netip.Addr) ([]*x509.Certificate, bool) { return p.Trust.Authorities, p.Trust != nil }
}
