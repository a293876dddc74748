package main

import (
	"slices"
	"strings"
	"testing"
	"time"

	"gatehouse/ipsec/authtest"
	"gatehouse/store"
)

// certifiedOffice is the office of the example, whose branch has certificates:
// ours has an intermediate between it and its root.
func certifiedOffice(t *testing.T) (store.Document, *keyring, map[string]*authtest.Holder) {
	t.Helper()
	holders := map[string]*authtest.Holder{}
	make := func(name string, h *authtest.Holder, err error) *authtest.Holder {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		holders[name] = h
		return h
	}
	now := time.Now()
	h, err := authtest.Root("Office CA", "p256", now)
	root := make("root", h, err)
	h, err = root.Authority("Branch CA", "p384", now)
	between := make("between", h, err)
	for name, by := range map[string]*authtest.Holder{"gateway": between, "leeds": root, "stolen": root} {
		h, err = by.Issue("rsa", now, nil, name+".example")
		make(name, h, err)
	}
	k := &keyring{}
	for _, name := range []string{"root", "between"} {
		text, _ := holders[name].PEM()
		k.authorities = append(k.authorities, store.Authority{Name: name, Certificate: text})
	}
	for _, name := range []string{"gateway", "leeds", "stolen"} {
		text, key := holders[name].PEM()
		k.certificates = append(k.certificates, store.Certificate{Name: name, Certificate: text, Key: store.Secret(key), Revoked: name == "stolen"})
	}
	doc := office(t)
	b := &doc.Branches[0]
	b.PSK, b.Certificate, b.Authority, b.RemoteID = "", "gateway", "root", "leeds.example"
	if err := doc.Validate(); err != nil {
		t.Fatal(err)
	}
	return doc, k, holders
}

func TestABranchWithCertificates(t *testing.T) {
	doc, keys, holders := certifiedOffice(t)
	d, err := compile(doc, world{keyring: keys}, 8443)
	if err != nil {
		t.Fatal(err)
	}
	c := d.ipsec[0].Certified
	if c == nil || len(c.Chain) != 2 || !slices.Equal(c.Chain[0], holders["gateway"].Certificate.Raw) || !slices.Equal(c.Chain[1], holders["between"].Certificate.Raw) {
		t.Fatalf("the chain is not ours and its intermediate: %+v", c)
	}
	if len(c.Authorities) != 1 || !slices.Equal(c.Authorities[0], holders["root"].Certificate.Raw) || len(c.Pinned) != 0 || c.PSS {
		t.Error("the authority is not the one that the branch names")
	}
	if len(c.Revoked) != 1 || !slices.Equal(c.Revoked[0], holders["stolen"].Certificate.Raw) {
		t.Error("the revoked certificate is still believed")
	}

	doc.Branches[0].Authority, doc.Branches[0].TheirCertificate, doc.Branches[0].Algorithms = "", "leeds", store.AlgorithmsStrict
	if d, err = compile(doc, world{keyring: keys}, 8443); err != nil {
		t.Fatal(err)
	}
	if c = d.ipsec[0].Certified; len(c.Authorities) != 0 || len(c.Pinned) != 1 || !c.PSS {
		t.Errorf("not pinned: %+v", c)
	}
}

func TestCertificatesThatCannotBeUsedAreNamed(t *testing.T) {
	for want, change := range map[string]func(*store.Document, *keyring){
		`there is no certificate called "gone"`: func(d *store.Document, _ *keyring) { d.Branches[0].Certificate = "gone" },
		"certificate gateway has no key here":   func(_ *store.Document, k *keyring) { k.certificates[0].Key = "" },
		"neither an authority nor":              func(d *store.Document, k *keyring) { k.authorities = nil },
	} {
		doc, keys, _ := certifiedOffice(t)
		change(&doc, keys)
		if _, err := compile(doc, world{keyring: keys}, 8443); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "branch "+doc.Branches[0].Name) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

func TestABranchWithAPostQuantumKey(t *testing.T) {
	doc := office(t)
	b := &doc.Branches[0]
	b.PPKID, b.PPK, b.PPKOptional = "vault-1", store.Secret(strings.Repeat("k", 32)), true
	if err := doc.Validate(); err != nil {
		t.Fatal(err)
	}
	d, err := compile(doc, world{}, 8443)
	if err != nil {
		t.Fatal(err)
	}
	if p := d.ipsec[0].PPK; p == nil || p.ID != "vault-1" || string(p.Key) != strings.Repeat("k", 32) || !p.Optional {
		t.Errorf("%+v", p)
	}
}
