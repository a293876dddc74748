package auth

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Trust is what a peer's certificate must satisfy.
type Trust struct {
	Authorities, Pinned, Revoked []*x509.Certificate
}

// Check names what was wrong with a peer's certificate.
type Check string

// The checks.
const (
	CheckSent      Check = "certificate sent" // it came with a certificate
	CheckTime      Check = "period"           // between notBefore and notAfter
	CheckAuthority Check = "authority"        // issued by one that is trusted
	CheckPinned    Check = "pinned"           // the very certificate
	CheckRevoked   Check = "not revoked"      // still believed
	CheckName      Check = "name"             // the identity is one of its names
	CheckUsage     Check = "usage"            // it may be used for this
	CheckStrength  Check = "strength"         // of its key
	maxChain             = 8                  // certificates that a peer may send
	minRSA, maxRSA       = 2048, 8192         // bits
)

// Failure is a certificate that was not believed, with what a person must know.
type Failure struct {
	Check Check
	// Certificate is the one that failed: "CN=leeds, issued by CN=Old CA, valid
	// from ... to ...". Empty if none came.
	Certificate string
	// Want is what would have been right.
	Want []string
	// Detail is the rest.
	Detail string
}

func (f *Failure) Error() string {
	return fmt.Sprintf("certificate %s: check %q failed: %s", f.Certificate, f.Check, f.Detail)
}

// describe tells a person which certificate it is.
func describe(c *x509.Certificate) string {
	if c == nil {
		return ""
	}
	day := func(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 MST") }
	return fmt.Sprintf("%s, issued by %s, valid from %s to %s", c.Subject, c.Issuer, day(c.NotBefore), day(c.NotAfter))
}

func failed(c *x509.Certificate, check Check, want []string, format string, args ...any) *Failure {
	return &Failure{Check: check, Certificate: describe(c), Want: want, Detail: fmt.Sprintf(format, args...)}
}

// ParseChain reads the certificates that a peer sent, its own first. There may
// be strange ones among the others; they are left out.
func ParseChain(raw [][]byte) ([]*x509.Certificate, *Failure) {
	if len(raw) == 0 {
		return nil, failed(nil, CheckSent, nil, "the peer sent no certificate")
	}
	if len(raw) > maxChain {
		return nil, failed(nil, CheckSent, nil, "the peer sent %d certificates; %d are enough for everybody", len(raw), maxChain)
	}
	var out []*x509.Certificate
	for i, der := range raw {
		c, err := x509.ParseCertificate(der)
		if err == nil {
			out = append(out, c)
		} else if i == 0 {
			return nil, failed(nil, CheckSent, nil, "the peer's certificate cannot be read: %v", err)
		}
	}
	return out, nil
}

// Believe checks a peer's chain, its own certificate first, for a time, and that
// it proves the identity. A pinned certificate proves whatever its owner says:
// it was entered for this peer.
func (t *Trust) Believe(chain []*x509.Certificate, id Identity, now time.Time) *Failure {
	leaf := chain[0]
	for _, c := range chain {
		if slices.ContainsFunc(t.Revoked, func(r *x509.Certificate) bool { return same(r, c) }) {
			return failed(c, CheckRevoked, nil, "it was revoked here")
		}
	}
	for _, check := range []func() *Failure{
		func() *Failure { return strong(chain) },
		func() *Failure { return t.path(chain, now) },
		func() *Failure { return usable(leaf) },
		func() *Failure {
			if len(t.Pinned) > 0 {
				return nil
			}
			return named(leaf, id)
		},
	} {
		if f := check(); f != nil {
			return f
		}
	}
	return nil
}

// strong bounds key sizes: from below what can be forged, from above what costs
// us more to verify than it does a peer to send.
func strong(chain []*x509.Certificate) *Failure {
	for _, c := range chain {
		switch key := c.PublicKey.(type) {
		case *rsa.PublicKey:
			if n := key.N.BitLen(); n < minRSA || n > maxRSA {
				return failed(c, CheckStrength, []string{"an RSA key of 2048 to 8192 bits"}, "its RSA key has %d bits", n)
			}
		case *ecdsa.PublicKey:
			if n := key.Curve.Params().BitSize; n < 256 {
				return failed(c, CheckStrength, []string{"a curve of 256 bits or more"}, "its curve has %d bits", n)
			}
		}
	}
	return nil
}

// path validates from the leaf to a trusted authority (RFC 5280 section 6); a
// pinned certificate needs none.
func (t *Trust) path(chain []*x509.Certificate, now time.Time) *Failure {
	leaf := chain[0]
	if len(t.Pinned) > 0 {
		if !slices.ContainsFunc(t.Pinned, func(p *x509.Certificate) bool { return same(p, leaf) }) {
			return failed(leaf, CheckPinned, describeAll(t.Pinned), "it is not the certificate that was entered for this peer")
		}
		return inTime(leaf, now)
	}
	o := x509.VerifyOptions{
		Roots: x509.NewCertPool(), Intermediates: x509.NewCertPool(), CurrentTime: now,
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
	}
	for _, a := range t.Authorities {
		o.Roots.AddCert(a)
	}
	for _, c := range chain[1:] {
		o.Intermediates.AddCert(c)
	}
	_, err := leaf.Verify(o)
	if err == nil {
		return nil
	}
	// What is out of date is told first, of whichever certificate: that is what a
	// person can see and mend, on a gateway without a clock too.
	for _, c := range append(slices.Clone(chain), t.Authorities...) {
		var invalid x509.CertificateInvalidError
		if errors.As(err, &invalid) && invalid.Reason == x509.Expired {
			if f := inTime(c, now); f != nil {
				return f
			}
		}
	}
	var unknown x509.UnknownAuthorityError
	if errors.As(err, &unknown) {
		return failed(leaf, CheckAuthority, describeAll(t.Authorities), "no trusted authority issued it")
	}
	return failed(leaf, CheckAuthority, describeAll(t.Authorities), "%s", strings.TrimPrefix(err.Error(), "x509: "))
}

func describeAll(all []*x509.Certificate) []string {
	var out []string
	for _, c := range all {
		out = append(out, c.Subject.String())
	}
	return out
}

func inTime(c *x509.Certificate, now time.Time) *Failure {
	clock := now.UTC().Format("2006-01-02 15:04 MST")
	if now.Before(c.NotBefore) {
		return failed(c, CheckTime, nil, "it is not valid yet: the clock here says %s", clock)
	}
	if now.After(c.NotAfter) {
		return failed(c, CheckTime, nil, "it has expired: the clock here says %s", clock)
	}
	return nil
}

// The extended key usages of IPsec (RFC 4945 section 5.1.3.12).
var (
	oidIPsecIKE        = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 3, 17}
	oidIKEIntermediate = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 8, 2, 2}
)

// usable checks key usage and extended key usage. Besides IPsec's own, those of
// TLS are accepted: they are what ordinary authorities put into the
// certificates of clients and servers.
func usable(c *x509.Certificate) *Failure {
	if c.KeyUsage != 0 && c.KeyUsage&(x509.KeyUsageDigitalSignature|x509.KeyUsageContentCommitment) == 0 {
		return failed(c, CheckUsage, []string{"digitalSignature"}, "its key usage does not allow signatures (RFC 4945 section 5.1.3.2)")
	}
	if len(c.ExtKeyUsage)+len(c.UnknownExtKeyUsage) == 0 {
		return nil
	}
	for _, u := range c.ExtKeyUsage {
		if u == x509.ExtKeyUsageAny || u == x509.ExtKeyUsageClientAuth || u == x509.ExtKeyUsageServerAuth {
			return nil
		}
	}
	for _, u := range c.UnknownExtKeyUsage {
		if u.Equal(oidIPsecIKE) || u.Equal(oidIKEIntermediate) {
			return nil
		}
	}
	return failed(c, CheckUsage, []string{"ipsecIKE, clientAuth or serverAuth"}, "its extended key usage is for something else")
}

// named checks that an identity is a name of the certificate. The common name
// is none (RFC 4945 section 5.1.3.6).
func named(c *x509.Certificate, id Identity) *Failure {
	names := Names(c)
	if slices.Contains(names, id) {
		return nil
	}
	var has []string
	for _, n := range names {
		has = append(has, n.String())
	}
	return failed(c, CheckName, []string{id.String()}, "the peer calls itself %s, and its certificate's names are: %s", id, strings.Join(has, "; "))
}

// AuthoritiesToWire is the content of a CERTREQ payload: the SHA-1 of each
// authority's public key (RFC 7296 section 3.7), which guards nothing.
func AuthoritiesToWire(all []*x509.Certificate) []byte {
	var b bytes.Buffer
	for _, a := range all {
		sum := sha1.Sum(a.RawSubjectPublicKeyInfo)
		b.Write(sum[:])
	}
	return b.Bytes()
}
