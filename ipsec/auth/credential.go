package auth

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"time"
)

// Certified is what two sides with certificates need, as bytes, so that it can
// be compared. All certificates are DER.
type Certified struct {
	// Chain is our certificate and the intermediates up to a root, which is left
	// out. Key is our key in PKCS #8.
	Chain [][]byte
	Key   []byte
	// PSS signs with RSASSA-PSS where the key is RSA. Both ways are accepted.
	PSS bool
	// Authorities are those that may have issued the peer's certificate, Pinned
	// the only certificates it may have. At least one of both.
	Authorities, Pinned [][]byte
	// Revoked are certificates that are believed no more.
	Revoked [][]byte
}

// Credential is what we prove ourselves by.
type Credential struct {
	Chain []*x509.Certificate
	Key   crypto.Signer
	PSS   bool
}

// Open reads certificates and key.
func (c Certified) Open() (*Credential, *Trust, error) {
	own := &Credential{PSS: c.PSS}
	t := &Trust{}
	for into, all := range map[*[]*x509.Certificate][][]byte{
		&own.Chain: c.Chain, &t.Authorities: c.Authorities, &t.Pinned: c.Pinned, &t.Revoked: c.Revoked,
	} {
		for _, der := range all {
			cert, err := x509.ParseCertificate(der)
			if err != nil {
				return nil, nil, fmt.Errorf("read a certificate: %w", err)
			}
			*into = append(*into, cert)
		}
	}
	key, err := x509.ParsePKCS8PrivateKey(c.Key)
	if err != nil {
		return nil, nil, errors.New("the key of our certificate cannot be read")
	}
	var ok bool
	if own.Key, ok = key.(crypto.Signer); !ok || len(own.Chain) == 0 {
		return nil, nil, errors.New("our certificate has no key that can sign")
	}
	type comparable interface{ Equal(crypto.PublicKey) bool }
	if public, ok := own.Key.Public().(comparable); !ok || !public.Equal(own.Chain[0].PublicKey) {
		return nil, nil, fmt.Errorf("the key is not that of certificate %s", own.Chain[0].Subject)
	}
	if len(t.Authorities)+len(t.Pinned) == 0 {
		return nil, nil, errors.New("neither an authority nor a certificate of the peer is known")
	}
	return own, t, nil
}

// Names are the identities that a certificate proves: its subject alternative
// names, and its subject as a distinguished name (RFC 4945 section 5.1.3.6).
func Names(cert *x509.Certificate) []Identity {
	var out []Identity
	add := func(text string) {
		if id, err := ParseIdentity(text); err == nil {
			out = append(out, id)
		}
	}
	for _, n := range cert.DNSNames {
		add(n) // also an address that comes as a dNSName (RFC 4945 section 3.1)
	}
	for _, ip := range cert.IPAddresses {
		add(ip.String())
	}
	for _, m := range cert.EmailAddresses {
		add(m)
	}
	if len(cert.RawSubject) > 2 {
		out = append(out, Identity{IDDN, string(cert.RawSubject)})
	}
	return out
}

// Identity is who we say we are where nothing else is asked for: the first name
// of our certificate.
func (c *Credential) Identity() Identity {
	if names := Names(c.Chain[0]); len(names) > 0 {
		return names[0]
	}
	return Identity{}
}

// String tells a person which certificate it is.
func (c *Credential) String() string { return describe(c.Chain[0]) }

// OutOfDate finds what of our own chain is not valid at a time; nil if nothing.
func (c *Credential) OutOfDate(now time.Time) *Failure {
	for _, cert := range c.Chain {
		if f := inTime(cert, now); f != nil {
			return f
		}
	}
	return nil
}

func same(a, b *x509.Certificate) bool { return bytes.Equal(a.Raw, b.Raw) }
