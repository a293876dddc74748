package crypto

import (
	"fmt"
	"strings"
)

func (e EncryptionID) String() string {
	if name, ok := encryptionNames[e]; ok {
		return name
	}
	return fmt.Sprintf("encryption transform %d", uint16(e))
}

var encryptionNames = map[EncryptionID]string{
	EncrNone: "none", EncrDES: "DES", Encr3DES: "3DES", EncrCAST: "CAST-128", EncrBlowfish: "Blowfish", EncrNull: "NULL",
	EncrAESCBC: "AES-CBC", EncrAESCTR: "AES-CTR", EncrAESCCM16: "AES-CCM-16", EncrAESGCM16: "AES-GCM-16",
	EncrNullAESGMAC: "NULL with AES-GMAC", EncrChaCha20Poly1305: "ChaCha20-Poly1305",
}

func (p PRFID) String() string {
	if p == PRFHMACSHA256 {
		return "PRF-HMAC-SHA2-256"
	}
	return fmt.Sprintf("PRF transform %d", uint16(p))
}

func (i IntegrityID) String() string {
	if name, ok := integrityNames[i]; ok {
		return name
	}
	return fmt.Sprintf("integrity transform %d", uint16(i))
}

var integrityNames = map[IntegrityID]string{
	IntegrityNone: "none", IntegrityHMACMD596: "HMAC-MD5-96", IntegrityHMACSHA196: "HMAC-SHA1-96",
	IntegrityAES128GMAC: "AES-128-GMAC", IntegrityAES192GMAC: "AES-192-GMAC", IntegrityAES256GMAC: "AES-256-GMAC",
	IntegrityHMACSHA256128: "HMAC-SHA2-256-128", IntegrityHMACSHA384192: "HMAC-SHA2-384-192", IntegrityHMACSHA512256: "HMAC-SHA2-512-256",
}

func (g GroupID) String() string {
	if name, ok := groupNames[g]; ok {
		return name
	}
	return fmt.Sprintf("group %d", uint16(g))
}

var groupNames = map[GroupID]string{
	GroupNone: "none", GroupMODP2048: "modp2048", GroupECP256: "ecp256", GroupX25519: "x25519",
}

// AEAD says whether the encryption authenticates too.
func (e EncryptionID) AEAD() bool {
	switch e {
	case EncrAESGCM16, EncrAESCCM16, EncrNullAESGMAC, EncrChaCha20Poly1305:
		return true
	}
	return false
}

// String is the name that ParseIKESuite, ParseESPSuite and ParseAHSuite read.
func (s Suite) String() string {
	var parts []string
	if e, ok := s.encryption(); ok {
		parts = append(parts, e.Name)
	} else if s.Encryption != EncrNone {
		parts = append(parts, s.Encryption.String())
	}
	if i, ok := s.Integrity.Info(); ok {
		parts = append(parts, i.Name)
	} else if s.Integrity != IntegrityNone {
		parts = append(parts, s.Integrity.String())
	}
	if s.Group != GroupNone {
		parts = append(parts, s.Group.String())
	}
	return strings.Join(parts, "-")
}

// ParseIKESuite reads names such as aes256gcm16-x25519 or
// aes256-sha256-modp2048. The PRF is HMAC-SHA2-256.
func ParseIKESuite(name string) (Suite, error) {
	s, err := ParseESPSuite(name)
	if err != nil {
		return Suite{}, err
	}
	if s.Group == GroupNone {
		return Suite{}, fmt.Errorf("IKE proposal %q names no key exchange group", name)
	}
	if !s.ForIKE() {
		return Suite{}, fmt.Errorf("IKE proposal %q: only ESP can be protected so", name)
	}
	s.PRF = PRFHMACSHA256
	return s, nil
}

// ParseESPSuite reads names such as aes256gcm16, aes256-sha256 or null-sha512;
// a group at the end asks for perfect forward secrecy.
func ParseESPSuite(name string) (Suite, error) {
	first, rest, more := strings.Cut(name, "-")
	for _, e := range Encryptions() {
		if e.Name != first {
			continue
		}
		s := Suite{Encryption: e.ID, KeyBits: e.Bits}
		if !e.AEAD {
			i, left, group, ok := cutIntegrity(rest)
			if !ok || i.AH {
				return Suite{}, fmt.Errorf("proposal %q encrypts without integrity; add sha256", name)
			}
			s.Integrity, rest, more = i.ID, left, group
		}
		return withGroup(name, s, rest, more)
	}
	return Suite{}, fmt.Errorf("proposal %q: %q is not known there", name, first)
}

// ParseAHSuite reads names such as sha256 or aes256gmac; a group at the end
// asks for perfect forward secrecy.
func ParseAHSuite(name string) (Suite, error) {
	i, rest, more, ok := cutIntegrity(name)
	if !ok {
		return Suite{}, fmt.Errorf("AH proposal %q names no integrity transform", name)
	}
	return withGroup(name, Suite{Integrity: i.ID}, rest, more)
}

// cutIntegrity takes an integrity transform from the front of a name; more
// says that something follows.
func cutIntegrity(text string) (i Integrity, rest string, more, ok bool) {
	first, rest, more := strings.Cut(text, "-")
	for _, i := range Integrities() {
		if i.Name == first {
			return i, rest, more, true
		}
	}
	return Integrity{}, "", false, false
}

func withGroup(name string, s Suite, group string, named bool) (Suite, error) {
	if !named {
		return s, nil
	}
	g, ok := groupByName(group)
	if !ok {
		return Suite{}, fmt.Errorf("proposal %q: %q is not known there", name, group)
	}
	s.Group = g
	return s, nil
}

func groupByName(name string) (GroupID, bool) {
	for g, n := range groupNames {
		if n == name && g != GroupNone {
			return g, true
		}
	}
	return GroupNone, false
}

// DefaultIKESuites are offered where an admin names none, the best first.
func DefaultIKESuites() []Suite {
	var out []Suite
	for _, g := range []GroupID{GroupX25519, GroupECP256, GroupMODP2048} {
		out = append(out,
			Suite{Encryption: EncrAESGCM16, KeyBits: 256, PRF: PRFHMACSHA256, Group: g},
			Suite{Encryption: EncrAESCBC, KeyBits: 256, Integrity: IntegrityHMACSHA256128, PRF: PRFHMACSHA256, Group: g})
	}
	return out
}

// DefaultESPSuites are offered where an admin names none, the best first.
func DefaultESPSuites() []Suite {
	return []Suite{
		{Encryption: EncrAESGCM16, KeyBits: 256},
		{Encryption: EncrAESCBC, KeyBits: 256, Integrity: IntegrityHMACSHA256128},
	}
}

// gcmSalt is the length of the implicit part of the nonce, which key
// derivation puts behind the key (RFC 4106 section 8.1, RFC 5282 section 7.1).
const gcmSalt = 4

// ChildKeySizes are the key lengths in bytes that one direction of an SA of
// this suite needs, a salt included.
func ChildKeySizes(s Suite) (encryption, integrity int) {
	e, _ := s.encryption()
	i, _ := s.Integrity.Info()
	return e.Key, i.Key
}

// ForIKE says whether this package's Cipher can protect IKE messages so.
func (s Suite) ForIKE() bool {
	e, ok := s.encryption()
	return ok && e.IKE && (e.AEAD && s.Integrity == IntegrityNone || !e.AEAD && s.Integrity == IntegrityHMACSHA256128)
}

// ForESP says whether the suite is complete for ESP: encryption, even if it is
// NULL, always with integrity (RFC 8221 section 4).
func (s Suite) ForESP() bool {
	e, ok := s.encryption()
	if !ok || e.AEAD {
		return ok && s.Integrity == IntegrityNone
	}
	i, ok := s.Integrity.Info()
	return ok && !i.AH
}

// ForAH says whether the suite is complete for AH.
func (s Suite) ForAH() bool {
	_, ok := s.Integrity.Info()
	return ok && s.Encryption == EncrNone && s.KeyBits == 0
}

// Legacy says whether anything in the suite is kept for old peers only.
func (s Suite) Legacy() bool {
	e, _ := s.encryption()
	i, _ := s.Integrity.Info()
	return e.Legacy || i.Legacy
}

// ForManualKeys refuses, with the reason, what must not be keyed by hand.
func (s Suite) ForManualKeys() error {
	e, _ := s.encryption()
	i, _ := s.Integrity.Info()
	if e.Counter || i.Counter {
		return fmt.Errorf("%s cannot be keyed by hand: after a restart it would use a nonce twice under one key, "+
			"which gives away what was sent (RFC 8221 section 4)", s)
	}
	return nil
}
