package main

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"slices"

	"gatehouse/ipsec/auth"
	"gatehouse/store"
)

// keyring is what branches with certificates name: it is no part of a document,
// and a renewed certificate holds at once.
type keyring struct {
	authorities  []store.Authority
	certificates []store.Certificate
}

// certified is what a branch proves itself by and what it believes; nil for a
// shared key, and where nobody looked what certificates there are.
func (k *keyring) certified(b store.Branch) (*auth.Certified, error) {
	if b.Certificate == "" || k == nil {
		return nil, nil
	}
	own, err := k.certificate(b.Certificate)
	if err != nil {
		return nil, err
	}
	out := &auth.Certified{PSS: b.Algorithms == store.AlgorithmsStrict}
	if out.Key, err = privateKey(own); err != nil {
		return nil, err
	}
	if out.Chain, err = k.chain(own); err != nil {
		return nil, err
	}
	for _, a := range k.authorities {
		if a.Name == b.Authority {
			out.Authorities = [][]byte{derOf(a.Certificate)}
		}
	}
	if b.TheirCertificate != "" {
		theirs, err := k.certificate(b.TheirCertificate)
		if err != nil {
			return nil, err
		}
		out.Pinned = [][]byte{derOf(theirs.Certificate)}
	}
	for _, c := range k.certificates {
		if c.Revoked {
			out.Revoked = append(out.Revoked, derOf(c.Certificate))
		}
	}
	_, _, err = out.Open()
	return out, err
}

func (k *keyring) certificate(name string) (store.Certificate, error) {
	at := slices.IndexFunc(k.certificates, func(c store.Certificate) bool { return c.Name == name })
	if at < 0 {
		return store.Certificate{}, fmt.Errorf("there is no certificate called %q", name)
	}
	return k.certificates[at], nil
}

// chain is a certificate and the authorities between it and its root, as far as
// they are known.
func (k *keyring) chain(own store.Certificate) ([][]byte, error) {
	at, err := x509.ParseCertificate(derOf(own.Certificate))
	if err != nil {
		return nil, fmt.Errorf("certificate %s: %w", own.Name, err)
	}
	out := [][]byte{at.Raw}
	for range len(k.authorities) {
		var above *x509.Certificate
		for _, a := range k.authorities {
			if c, err := x509.ParseCertificate(derOf(a.Certificate)); err == nil && at.CheckSignatureFrom(c) == nil {
				above = c
				break
			}
		}
		if above == nil || slices.Equal(above.RawIssuer, above.RawSubject) {
			break // whoever trusts a root has it
		}
		out, at = append(out, above.Raw), above
	}
	return out, nil
}

// privateKey is a certificate's key in PKCS #8, whatever form it was entered in.
func privateKey(c store.Certificate) ([]byte, error) {
	block, _ := pem.Decode([]byte(c.Key.Reveal()))
	if block == nil {
		return nil, fmt.Errorf("certificate %s has no key here, so that this gateway cannot prove that it is its own", c.Name)
	}
	for _, read := range []func([]byte) (any, error){
		x509.ParsePKCS8PrivateKey,
		func(b []byte) (any, error) { return x509.ParsePKCS1PrivateKey(b) },
		func(b []byte) (any, error) { return x509.ParseECPrivateKey(b) },
	} {
		if key, err := read(block.Bytes); err == nil {
			return x509.MarshalPKCS8PrivateKey(key)
		}
	}
	return nil, fmt.Errorf("the key of certificate %s cannot be read", c.Name)
}

func derOf(text string) []byte {
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		return nil
	}
	return block.Bytes
}
