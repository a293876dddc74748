package auth

import (
	"bytes"
	"crypto/rand"
	"crypto/x509"
	"encoding/asn1"
	"encoding/hex"
	"errors"
	"strings"
	"testing"
	"time"

	"gatehouse/ipsec/authtest"
	"gatehouse/ipsec/wire"
)

var noon = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)

func must[T any](t testing.TB) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

var kinds = []string{"rsa", "p256", "p384", "p521", "ed25519"}

func holder(t testing.TB, kind string, names ...string) *authtest.Holder {
	t.Helper()
	root := must[*authtest.Holder](t)(authtest.Root("Office CA", "p256", noon))
	return must[*authtest.Holder](t)(root.Issue(kind, noon, nil, names...))
}

func credential(h *authtest.Holder) *Credential {
	return &Credential{Chain: []*x509.Certificate{h.Certificate}, Key: h.Key}
}

func TestEveryKeySignsInEveryWayThatAPeerKnows(t *testing.T) {
	octets := []byte("the signed octets")
	for _, kind := range kinds {
		h := holder(t, kind, "leeds.example")
		for _, row := range []struct {
			name   string
			hashes []HashID
			pss    bool
			method uint8 // 0: it cannot
		}{
			{"all of RFC 7427", Hashes(), false, wire.AuthDigitalSignature},
			{"RSASSA-PSS", Hashes(), true, wire.AuthDigitalSignature},
			{"only SHA-512", []HashID{HashSHA512, HashIdentity}, false, wire.AuthDigitalSignature},
			{"only what Ed25519 does not have", []HashID{HashSHA256}, false, map[string]uint8{"ed25519": 0}[kind]},
			{"nothing of RFC 7427", nil, false, map[string]uint8{"rsa": 1, "p256": 9, "p384": 10, "p521": 11}[kind]},
		} {
			if row.name == "only what Ed25519 does not have" && kind != "ed25519" {
				row.method = wire.AuthDigitalSignature
			}
			t.Run(kind+", "+row.name, func(t *testing.T) {
				c := credential(h)
				c.PSS = row.pss
				method, data, err := c.Sign(rand.Reader, octets, row.hashes)
				if (err == nil) != (row.method != 0) || method != row.method {
					t.Fatalf("method %d, %v, want method %d", method, err, row.method)
				}
				if err != nil {
					return
				}
				if err := VerifySignature(h.Certificate.PublicKey, method, data, octets); err != nil {
					t.Errorf("it does not verify: %v", err)
				}
				for _, wrong := range []func() error{
					func() error { return VerifySignature(h.Certificate.PublicKey, method, data, []byte("others")) },
					func() error { return VerifySignature(holder(t, kind).Certificate.PublicKey, method, data, octets) },
					func() error { return VerifySignature(h.Certificate.PublicKey, method, data[:len(data)-1], octets) },
					func() error { return VerifySignature(h.Certificate.PublicKey, method, nil, octets) },
					func() error { return VerifySignature(h.Certificate.PublicKey, 3, data, octets) },
					func() error {
						bad := bytes.Clone(data)
						bad[len(bad)-1] ^= 1
						return VerifySignature(h.Certificate.PublicKey, method, bad, octets)
					},
				} {
					if err := wrong(); !errors.Is(err, ErrBadSignature) {
						t.Errorf("a wrong one verifies: %v", err)
					}
				}
			})
		}
	}
}

// The bytes of RFC 7427 appendix A and RFC 8420 appendix A.
func TestTheIdentifiersAreThoseOfTheRFCs(t *testing.T) {
	for want, a := range map[string]algorithm{
		"300d06092a864886f70d01010b0500": {scheme: pkcs1, hash: hashes[HashSHA256]},
		"300d06092a864886f70d01010d0500": {scheme: pkcs1, hash: hashes[HashSHA512]},
		"300a06082a8648ce3d040302":       {scheme: ecdsaSign, hash: hashes[HashSHA256]},
		"300a06082a8648ce3d040304":       {scheme: ecdsaSign, hash: hashes[HashSHA512]},
		"300506032b6570":                 {scheme: ed25519Sign},
		"304106092a864886f70d01010a3034a00f300d06096086480165030402010500a11c301a06092a864886f70d010108300d06096086480165030402010500a203020120": {scheme: pss, hash: hashes[HashSHA256], salt: 32},
	} {
		if got := hex.EncodeToString(a.identifier()); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
		if got, ok := parseAlgorithm(a.identifier()); !ok || got != a {
			t.Errorf("%s is read as %+v, %v", want, got, ok)
		}
	}
	for name, text := range map[string]string{
		"RSA with SHA-1":                 "300d06092a864886f70d0101050500",
		"PSS with the defaults, SHA-1":   "300d06092a864886f70d01010a3000",
		"ECDSA with SHA-1":               "300906072a8648ce3d0401",
		"nothing":                        "",
		"bytes behind it":                "300506032b657000",
		"PSS with another hash in MGF1":  "304106092a864886f70d01010a3034a00f300d06096086480165030402010500a11c301a06092a864886f70d010108300d06096086480165030402030500a203020120",
		"PSS whose parameters are empty": "300b06092a864886f70d01010a",
	} {
		der, err := hex.DecodeString(text)
		if err != nil {
			t.Fatal(err)
		}
		if a, ok := parseAlgorithm(der); ok {
			t.Errorf("%s is accepted as %+v", name, a)
		}
	}
}

func TestWhatIsBelieved(t *testing.T) {
	get := must[*authtest.Holder](t)
	root, other := get(authtest.Root("Office CA", "p256", noon)), get(authtest.Root("Other CA", "p256", noon))
	between := get(root.Authority("Leeds CA", "p384", noon))
	expired := get(authtest.Root("Old CA", "p256", noon.Add(-48*time.Hour)))
	issue := func(by *authtest.Holder, change func(*x509.Certificate)) *authtest.Holder {
		return get(by.Issue("p256", noon, change, "leeds.example", "192.0.2.7", "admin@leeds.example"))
	}
	good := issue(root, nil)
	revoked := issue(root, nil)
	trust := &Trust{Authorities: []*x509.Certificate{root.Certificate}, Revoked: []*x509.Certificate{revoked.Certificate}}
	pinned := &Trust{Pinned: []*x509.Certificate{good.Certificate}}
	usage := func(u ...x509.ExtKeyUsage) func(*x509.Certificate) {
		return func(c *x509.Certificate) { c.ExtKeyUsage = u }
	}
	unknown := func(u ...int) func(*x509.Certificate) {
		return func(c *x509.Certificate) { c.UnknownExtKeyUsage = []asn1.ObjectIdentifier{u} }
	}
	long := get(root.Issue("rsa", noon, nil, "leeds.example"))
	for _, row := range []struct {
		name  string
		trust *Trust
		chain *authtest.Holder
		id    string
		at    time.Time
		check Check // empty: it is believed
		says  string
	}{
		{"a DNS name", trust, good, "leeds.example", noon, "", ""},
		{"a DNS name in capitals", trust, good, "LEEDS.example", noon, "", ""},
		{"an address", trust, good, "192.0.2.7", noon, "", ""},
		{"a mail address", trust, good, "admin@leeds.example", noon, "", ""},
		{"an RSA key", trust, long, "leeds.example", noon, "", ""},
		{"an intermediate that was sent", trust, issue(between, nil), "leeds.example", noon, "", ""},
		{"an address that comes as a dNSName", trust, issue(root, func(c *x509.Certificate) { c.DNSNames = []string{"192.0.2.9"} }), "192.0.2.9", noon, "", ""},
		{"the common name is no name", trust, issue(root, nil), "somebody", noon, CheckName, "names are: leeds.example; 192.0.2.7; admin@leeds.example"},
		{"another name", trust, good, "york.example", noon, CheckName, "calls itself york.example"},
		{"another authority", trust, issue(other, nil), "leeds.example", noon, CheckAuthority, "no trusted authority"},
		{"nobody but itself", trust, other, "leeds.example", noon, CheckAuthority, "no trusted authority"},
		{"tomorrow it has expired", trust, good, "leeds.example", noon.Add(24 * time.Hour), CheckTime, "expired: the clock here says 2026-06-02"},
		{"a clock that begins at 1970", trust, good, "leeds.example", time.Unix(0, 0), CheckTime, "not valid yet: the clock here says 1970-01-01"},
		{"an authority that has expired", &Trust{Authorities: []*x509.Certificate{expired.Certificate}}, issue(expired, nil), "leeds.example", noon, CheckTime, "expired"},
		{"a revoked one", trust, revoked, "leeds.example", noon, CheckRevoked, "revoked"},
		{"the pinned one, whatever it calls itself", pinned, good, "whoever.example", noon, "", ""},
		{"the pinned one, expired", pinned, good, "leeds.example", noon.Add(24 * time.Hour), CheckTime, "expired"},
		{"another one than the pinned one", pinned, issue(root, nil), "leeds.example", noon, CheckPinned, "not the certificate that was entered"},
		{"for IPsec", trust, issue(root, unknown(1, 3, 6, 1, 5, 5, 7, 3, 17)), "leeds.example", noon, "", ""},
		{"for IKE of old", trust, issue(root, unknown(1, 3, 6, 1, 5, 5, 8, 2, 2)), "leeds.example", noon, "", ""},
		{"for clients", trust, issue(root, usage(x509.ExtKeyUsageClientAuth)), "leeds.example", noon, "", ""},
		{"for servers", trust, issue(root, usage(x509.ExtKeyUsageServerAuth)), "leeds.example", noon, "", ""},
		{"for mail", trust, issue(root, usage(x509.ExtKeyUsageEmailProtection)), "leeds.example", noon, CheckUsage, "something else"},
		{"for encryption only", trust, issue(root, func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageKeyEncipherment }), "leeds.example", noon, CheckUsage, "does not allow signatures"},
	} {
		t.Run(row.name, func(t *testing.T) {
			chain, f := ParseChain(row.chain.Chain())
			if f != nil {
				t.Fatal(f)
			}
			id := must[Identity](t)(ParseIdentity(row.id))
			f = row.trust.Believe(chain, id, row.at)
			if row.check == "" {
				if f != nil {
					t.Errorf("not believed: %v", f)
				}
				return
			}
			if f == nil || f.Check != row.check || !strings.Contains(f.Detail, row.says) {
				t.Fatalf("%+v, want check %q that says %q", f, row.check, row.says)
			}
			if f.Certificate == "" || !strings.Contains(f.Error(), "valid from") {
				t.Errorf("it does not say which certificate: %v", f)
			}
		})
	}
}

func TestChainsThatCannotBe(t *testing.T) {
	good := holder(t, "p256", "leeds.example")
	for name, raw := range map[string][][]byte{
		"none":                  nil,
		"nonsense in front":     {[]byte("nonsense"), good.Certificate.Raw},
		"more than anybody has": {good.Certificate.Raw, nil, nil, nil, nil, nil, nil, nil, nil},
	} {
		if _, f := ParseChain(raw); f == nil || f.Check != CheckSent {
			t.Errorf("%s: %+v", name, f)
		}
	}
	if chain, f := ParseChain([][]byte{good.Certificate.Raw, []byte("nonsense")}); f != nil || len(chain) != 1 {
		t.Errorf("nonsense behind it: %d certificates, %v", len(chain), f)
	}
}

func TestWhatIsOpened(t *testing.T) {
	h, stranger := holder(t, "rsa", "leeds.example"), holder(t, "rsa", "leeds.example")
	whole := Certified{Chain: h.Chain(), Key: h.PKCS8(), Authorities: [][]byte{h.Above.Certificate.Raw}}
	own, trust, err := whole.Open()
	if err != nil || len(trust.Authorities) != 1 || own.Identity().String() != "leeds.example" {
		t.Fatalf("%v, %v", own, err)
	}
	for name, change := range map[string]func(*Certified){
		"another key":        func(c *Certified) { c.Key = stranger.PKCS8() },
		"no key":             func(c *Certified) { c.Key = nil },
		"no certificate":     func(c *Certified) { c.Chain = nil },
		"nobody is believed": func(c *Certified) { c.Authorities = nil },
		"nonsense":           func(c *Certified) { c.Pinned = [][]byte{{1, 2, 3}} },
	} {
		c := whole
		change(&c)
		if _, _, err := c.Open(); err == nil {
			t.Errorf("%s: opened", name)
		}
	}
}

func TestHashesOnTheWire(t *testing.T) {
	all := HashesToWire(Hashes())
	if hex.EncodeToString(all) != "0002000300040005" {
		t.Errorf("%x", all)
	}
	if got := HashesFromWire(append(all, 0, 1, 0, 99, 0, 2, 7)); len(got) != 4 {
		t.Errorf("SHA-1, an unknown one, one twice and half of one were kept: %v", got)
	}
}

func TestADistinguishedNameIsForPeople(t *testing.T) {
	h := holder(t, "p256")
	id := must[Identity](t)(IdentityFromWire(IDDN, h.Certificate.RawSubject))
	if id.String() != "CN=somebody,O=Test" || Names(h.Certificate)[0] != id {
		t.Errorf("%s", id)
	}
	if odd := (Identity{IDDN, "nonsense"}); odd.String() != `type 9 "nonsense"` {
		t.Errorf("%s", odd)
	}
}

// FuzzVerifySignature: foreign bytes neither verify nor panic.
func FuzzVerifySignature(f *testing.F) {
	h := holder(f, "p256")
	r := holder(f, "rsa")
	for _, one := range []*authtest.Holder{h, r} {
		method, data, err := credential(one).Sign(rand.Reader, []byte("octets"), Hashes())
		if err != nil {
			f.Fatal(err)
		}
		f.Add(method, data)
		f.Add(wire.AuthECDSA256, data)
	}
	f.Fuzz(func(t *testing.T, method uint8, data []byte) {
		for _, one := range []*authtest.Holder{h, r} {
			if VerifySignature(one.Certificate.PublicKey, method, data, []byte("others")) == nil {
				t.Fatal("it verifies")
			}
		}
	})
}
