package authtest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"strings"
	"time"
)

// Holder is a certificate with its key and those that issued it.
type Holder struct {
	Certificate *x509.Certificate
	Key         crypto.Signer
	// Above is who issued it, up to the root; nil for a root.
	Above *Holder
}

// NewKey makes a key: rsa, p256, p384, p521 or ed25519.
func NewKey(kind string) (crypto.Signer, error) {
	switch kind {
	case "rsa":
		return rsa.GenerateKey(rand.Reader, 2048)
	case "p256":
		return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case "p384":
		return ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	case "p521":
		return ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	case "ed25519":
		_, key, err := ed25519.GenerateKey(rand.Reader)
		return key, err
	}
	return nil, fmt.Errorf("no key is called %q", kind)
}

// Root makes an authority that issued itself, valid for a day around a time.
func Root(name, kind string, at time.Time) (*Holder, error) {
	return (*Holder)(nil).issue(kind, template(name, at, authority))
}

// Alone makes a certificate that issued itself and is no authority.
func Alone(name, kind string, at time.Time) (*Holder, error) {
	return (*Holder)(nil).issue(kind, template(name, at, func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageDigitalSignature }))
}

// Authority makes one below h.
func (h *Holder) Authority(name, kind string, at time.Time) (*Holder, error) {
	return h.issue(kind, template(name, at, authority))
}

// Issue makes a certificate below h for the names, which are DNS names,
// addresses or mail addresses. change may spoil it.
func (h *Holder) Issue(kind string, at time.Time, change func(*x509.Certificate), names ...string) (*Holder, error) {
	c := template("somebody", at, func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageDigitalSignature })
	for _, n := range names {
		switch ip := net.ParseIP(n); {
		case ip != nil:
			c.IPAddresses = append(c.IPAddresses, ip)
		case strings.Contains(n, "@"):
			c.EmailAddresses = append(c.EmailAddresses, n)
		default:
			c.DNSNames = append(c.DNSNames, n)
		}
	}
	if change != nil {
		change(c)
	}
	return h.issue(kind, c)
}

func authority(c *x509.Certificate) {
	c.IsCA, c.BasicConstraintsValid, c.KeyUsage = true, true, x509.KeyUsageCertSign
}

func template(name string, at time.Time, change func(*x509.Certificate)) *x509.Certificate {
	c := &x509.Certificate{
		Subject: pkix.Name{CommonName: name, Organization: []string{"Test"}}, SerialNumber: serial(),
		NotBefore: at.Add(-12 * time.Hour), NotAfter: at.Add(12 * time.Hour),
	}
	change(c)
	return c
}

func serial() *big.Int {
	n, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 100))
	if err != nil {
		panic(err) // the system's randomness never fails
	}
	return n
}

func (h *Holder) issue(kind string, c *x509.Certificate) (*Holder, error) {
	key, err := NewKey(kind)
	if err != nil {
		return nil, err
	}
	parent, signer := c, key
	if h != nil {
		parent, signer = h.Certificate, h.Key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, key.Public(), signer)
	if err != nil {
		return nil, fmt.Errorf("issue %s: %w", c.Subject, err)
	}
	made, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	return &Holder{Certificate: made, Key: key, Above: h}, nil
}

// Chain is the certificate and those above it but the root, as DER.
func (h *Holder) Chain() [][]byte {
	var out [][]byte
	for ; h != nil && (h.Above != nil || len(out) == 0); h = h.Above {
		out = append(out, h.Certificate.Raw)
	}
	return out
}

// PKCS8 is the key as DER.
func (h *Holder) PKCS8() []byte {
	der, err := x509.MarshalPKCS8PrivateKey(h.Key)
	if err != nil {
		panic(err) // of the kinds above all can
	}
	return der
}

// PEM is the certificate and its key as text.
func (h *Holder) PEM() (certificate, key string) {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: h.Certificate.Raw})),
		string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: h.PKCS8()}))
}
