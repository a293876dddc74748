package store

import (
	"crypto/ecdsa"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"
	"unicode/utf16"

	//lint:ignore SA1019 EAP-MSCHAPv2, which Windows and phones speak, is made of it (RFC 2759 8.3)
	"golang.org/x/crypto/md4"
)

// User is a person who may work from outside. Users, their devices and
// certificates act at once; no draft holds them.
type User struct {
	Name     string `json:"name"`
	FullName string `json:"full_name,omitempty"`
	Mail     string `json:"mail,omitempty"`
	Group    string `json:"group,omitempty"`
	Enabled  bool   `json:"enabled"`
	// Expires is the last day, as in 2027-01-31; empty means never.
	Expires string `json:"expires,omitempty"`
	// Password for EAP-MSCHAPv2. Only its NT hash is kept, as "nthash:" and 32
	// hexadecimal digits, which can also be given.
	Password Secret `json:"password,omitempty"`
	Note     string `json:"note,omitempty"`
}

// Device is a phone or computer of a user.
type Device struct {
	Name     string `json:"name"`
	User     string `json:"user"`
	Enabled  bool   `json:"enabled"`
	Platform string `json:"platform,omitempty"`
	// Addresses are virtual addresses that it always gets.
	Addresses []netip.Addr `json:"addresses,omitempty"`
	Note      string       `json:"note,omitempty"`
}

// Authority is a CA that certificates are checked against; with a Key also
// one that can issue.
type Authority struct {
	Name        string `json:"name"`
	Certificate string `json:"certificate"` // PEM
	Key         Secret `json:"key,omitempty"`
	Note        string `json:"note,omitempty"`
}

// Certificate is one of this gateway's or of a device.
type Certificate struct {
	Name        string `json:"name"`
	Authority   string `json:"authority,omitempty"`
	Device      string `json:"device,omitempty"`
	Certificate string `json:"certificate"` // PEM
	Key         Secret `json:"key,omitempty"`
	Revoked     bool   `json:"revoked,omitempty"`
	Note        string `json:"note,omitempty"`
}

var userKind = (&kind[User]{
	info:    KindInfo{Name: "user", Area: AreaPeople, Idle: idlePeople, Plural: "users", Title: "User", Help: "A person who may work from outside."},
	table:   "users",
	key:     func(u *User) string { return u.Name },
	summary: func(u *User) string { return strings.TrimSpace(u.FullName + " " + u.Mail) },
	fields: []field[User]{
		of("name", "", func(u *User) any { return &u.Name }).required(),
		of("full_name", "the full name", func(u *User) any { return &u.FullName }),
		of("mail", "the mail address", func(u *User) any { return &u.Mail }),
		of("group", "the group", func(u *User) any { return &u.Group }).refs("group"),
		of("enabled", "access", func(u *User) any { return &u.Enabled }),
		of("expires", "the last day", func(u *User) any { return &u.Expires }).help("As in 2027-01-31; empty means never."),
		of("password", "the password", func(u *User) any { return &u.Password }),
		noted(func(u *User) any { return &u.Note }),
	},
	owned:   "invites",
	prepare: func(u *User) error { return u.hashPassword() },
	check: func(c *checker, at string, u User) {
		if _, err := time.Parse(time.DateOnly, u.Expires); u.Expires != "" && err != nil {
			c.bad(at+".expires", "format", "must be a day, as in 2027-01-31")
		}
		if local, domain, ok := strings.Cut(u.Mail, "@"); u.Mail != "" && (!ok || local == "" || !isName(domain) || len(u.Mail) > 254) {
			c.bad(at+".mail", "format", "must be a mail address")
		}
		if len(u.FullName) > 200 {
			c.bad(at+".full_name", "length", "at most 200 bytes")
		}
	},
}).finish()

// ntHashPrefix marks a password that is kept as its NT hash.
const ntHashPrefix = "nthash:"

// hashPassword puts the NT hash (RFC 2759 8.3) in place of the password.
func (u *User) hashPassword() error {
	plain := u.Password.Reveal()
	if digits, ok := strings.CutPrefix(plain, ntHashPrefix); ok {
		if b, err := hex.DecodeString(digits); err != nil || len(b) != md4.Size {
			return ValidationError{{Field: "password", Code: "format", Message: "must have 32 hexadecimal digits behind nthash:"}}
		}
		return nil
	}
	if plain == "" {
		return nil
	}
	if len(plain) < minUserPassword || len(plain) > 256 {
		return ValidationError{{Field: "password", Code: "length", Message: fmt.Sprintf("must have %d to 256 bytes", minUserPassword)}}
	}
	h := md4.New()
	for _, unit := range utf16.Encode([]rune(plain)) {
		h.Write([]byte{byte(unit), byte(unit >> 8)})
	}
	u.Password = Secret(ntHashPrefix + hex.EncodeToString(h.Sum(nil)))
	return nil
}

const minUserPassword = 10

var deviceKind = (&kind[Device]{
	info:    KindInfo{Name: "device", Area: AreaPeople, Idle: idlePeople, Plural: "devices", Title: "Device", Help: "A phone or computer of a user."},
	table:   "devices",
	key:     func(d *Device) string { return d.Name },
	summary: func(d *Device) string { return strings.TrimSpace(d.User + " " + d.Platform) },
	fields: []field[Device]{
		of("name", "", func(d *Device) any { return &d.Name }).required(),
		of("user", "the user", func(d *Device) any { return &d.User }).required().refs("user"),
		of("enabled", "access", func(d *Device) any { return &d.Enabled }),
		of("platform", "the platform", func(d *Device) any { return &d.Platform }).choices("ios", "macos", "windows", "android", "linux", "other"),
		of("addresses", "the fixed addresses", func(d *Device) any { return &d.Addresses }).help("Empty means one of the group's."),
		noted(func(d *Device) any { return &d.Note }),
	},
	check: func(c *checker, at string, d Device) { c.addresses(at+".addresses", d.Addresses) },
}).finish()

var authorityKind = (&kind[Authority]{
	info:    KindInfo{Name: "authority", Area: AreaPeople, Plural: "authorities", Title: "Authority", Help: "A CA that certificates are checked against."},
	table:   "authorities",
	key:     func(a *Authority) string { return a.Name },
	summary: func(a *Authority) string { return described(a.Certificate) },
	fields: []field[Authority]{
		of("name", "", func(a *Authority) any { return &a.Name }).required(),
		of("certificate", "the certificate", func(a *Authority) any { return &a.Certificate }).required().pem(),
		of("key", "the key", func(a *Authority) any { return &a.Key }).help("PEM; only needed to issue certificates here.").long(),
		noted(func(a *Authority) any { return &a.Note }),
	},
	check: func(c *checker, at string, a Authority) {
		if cert := c.certificate(at, a.Certificate, a.Key); cert != nil && !cert.IsCA {
			c.bad(at+".certificate", "choice", "%s is not the certificate of a CA", cert.Subject)
		}
	},
}).finish()

var certificateKind = (&kind[Certificate]{
	info:    KindInfo{Name: "certificate", Area: AreaPeople, Plural: "certificates", Title: "Certificate", Help: "A certificate of this gateway or of a device."},
	table:   "certificates",
	key:     func(x *Certificate) string { return x.Name },
	summary: func(x *Certificate) string { return described(x.Certificate) },
	fields: []field[Certificate]{
		of("name", "", func(x *Certificate) any { return &x.Name }).required(),
		of("authority", "the authority", func(x *Certificate) any { return &x.Authority }).refs("authority"),
		of("device", "the device", func(x *Certificate) any { return &x.Device }).refs("device"),
		of("certificate", "the certificate", func(x *Certificate) any { return &x.Certificate }).required().pem(),
		of("key", "the key", func(x *Certificate) any { return &x.Key }).help("PEM; only of certificates used by this gateway.").long(),
		of("revoked", "revoked", func(x *Certificate) any { return &x.Revoked }).called(map[string]string{"on": "yes"}),
		noted(func(x *Certificate) any { return &x.Note }),
	},
	check: func(c *checker, at string, x Certificate) { c.certificate(at, x.Certificate, x.Key) },
}).finish()

// pem marks a text of many lines that sentences only name by its fingerprint.
func (f field[T]) pem() field[T] { f.Type = "pem"; return f }

// maxPEM bounds a certificate or key.
const maxPEM = 64 << 10

// certificate checks that a text is one certificate in PEM, and that the key,
// if there is one, is its key. It gives the certificate, or nil.
func (c *checker) certificate(at, text string, key Secret) *x509.Certificate {
	cert, err := parseCertificate(text)
	if err != nil {
		if text != "" {
			c.bad(at+".certificate", "format", "%v", err)
		}
		return nil
	}
	if key == "" {
		return cert
	}
	if len(key) > maxPEM {
		c.bad(at+".key", "length", "is too long for a key")
	} else if _, err := tls.X509KeyPair([]byte(text), []byte(key.Reveal())); err != nil {
		// The error's own words may speak of the key's insides.
		c.bad(at+".key", "format", "is not this certificate's key in PEM, without a passphrase")
	}
	return cert
}

func parseCertificate(text string) (*x509.Certificate, error) {
	if len(text) > maxPEM {
		return nil, errors.New("is too long for a certificate")
	}
	block, rest := pem.Decode([]byte(text))
	if block == nil || block.Type != "CERTIFICATE" {
		return nil, errors.New("must be a certificate in PEM: a text that begins with BEGIN CERTIFICATE")
	}
	if next, _ := pem.Decode(rest); next != nil {
		return nil, errors.New("must be one certificate, not several")
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("cannot be read: %w", err)
	}
	if key, ok := cert.PublicKey.(*ecdsa.PublicKey); ok && key.Curve.Params().BitSize < 256 {
		return nil, errors.New("has a key that is too short")
	}
	return cert, nil
}

// described is how a person recognises a certificate.
func described(text string) string {
	cert, err := parseCertificate(text)
	if err != nil {
		return ""
	}
	return fmt.Sprintf("%s, until %s", cert.Subject, cert.NotAfter.UTC().Format(time.DateOnly))
}

// fingerprint stands for a certificate in sentences.
func fingerprint(text string) string {
	cert, err := parseCertificate(text)
	if err != nil {
		return ""
	}
	sum := sha256.Sum256(cert.Raw)
	return "SHA-256 " + hex.EncodeToString(sum[:])
}
