package crypto

import (
	"fmt"
	"strings"
)

func (e EncryptionID) String() string {
	switch e {
	case EncrNull:
		return "NULL"
	case EncrAESCBC:
		return "AES-CBC"
	case EncrAESGCM16:
		return "AES-GCM-16"
	}
	return fmt.Sprintf("encryption transform %d", uint16(e))
}

func (p PRFID) String() string {
	if p == PRFHMACSHA256 {
		return "PRF-HMAC-SHA2-256"
	}
	return fmt.Sprintf("PRF transform %d", uint16(p))
}

func (i IntegrityID) String() string {
	switch i {
	case IntegrityNone:
		return "none"
	case IntegrityHMACSHA256128:
		return "HMAC-SHA2-256-128"
	}
	return fmt.Sprintf("integrity transform %d", uint16(i))
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
func (e EncryptionID) AEAD() bool { return e == EncrAESGCM16 }

// String is the name that ParseIKESuite and ParseESPSuite read.
func (s Suite) String() string {
	var b strings.Builder
	switch s.Encryption {
	case EncrAESGCM16:
		fmt.Fprintf(&b, "aes%dgcm16", s.KeyBits)
	case EncrAESCBC:
		fmt.Fprintf(&b, "aes%d", s.KeyBits)
	default:
		b.WriteString(s.Encryption.String())
	}
	switch s.Integrity {
	case IntegrityNone:
	case IntegrityHMACSHA256128:
		b.WriteString("-sha256")
	default:
		b.WriteString("-" + s.Integrity.String())
	}
	if s.Group != GroupNone {
		b.WriteString("-" + s.Group.String())
	}
	return b.String()
}

// ParseIKESuite reads names such as aes256gcm16-x25519 or
// aes256-sha256-modp2048. The PRF is HMAC-SHA2-256.
func ParseIKESuite(name string) (Suite, error) {
	s, err := parseSuite(name)
	if err != nil {
		return Suite{}, err
	}
	if s.Group == GroupNone {
		return Suite{}, fmt.Errorf("IKE proposal %q names no key exchange group", name)
	}
	s.PRF = PRFHMACSHA256
	return s, nil
}

// ParseESPSuite reads names such as aes256gcm16 or aes256-sha256; a group at
// the end asks for perfect forward secrecy.
func ParseESPSuite(name string) (Suite, error) { return parseSuite(name) }

func parseSuite(name string) (Suite, error) {
	var s Suite
	for i, part := range strings.Split(name, "-") {
		switch {
		case i == 0 && part == "aes128gcm16":
			s.Encryption, s.KeyBits = EncrAESGCM16, 128
		case i == 0 && part == "aes256gcm16":
			s.Encryption, s.KeyBits = EncrAESGCM16, 256
		case i == 0 && part == "aes128":
			s.Encryption, s.KeyBits = EncrAESCBC, 128
		case i == 0 && part == "aes256":
			s.Encryption, s.KeyBits = EncrAESCBC, 256
		case i == 1 && part == "sha256" && !s.Encryption.AEAD():
			s.Integrity = IntegrityHMACSHA256128
		default:
			g, ok := groupByName(part)
			if i == 0 || s.Group != GroupNone || !ok {
				return Suite{}, fmt.Errorf("proposal %q: %q is not known there", name, part)
			}
			s.Group = g
		}
	}
	if !s.Encryption.AEAD() && s.Integrity == IntegrityNone {
		return Suite{}, fmt.Errorf("proposal %q encrypts without integrity; add sha256", name)
	}
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
// this suite needs, the AEAD salt included.
func ChildKeySizes(s Suite) (encryption, integrity int) {
	encryption = s.KeyBits / 8
	if s.Encryption.AEAD() {
		encryption += gcmSalt
	}
	if s.Integrity == IntegrityHMACSHA256128 {
		integrity = 32
	}
	return encryption, integrity
}

// Supported says whether this package can carry the suite out.
func (s Suite) Supported() bool {
	switch s.Encryption {
	case EncrAESGCM16:
		if s.Integrity != IntegrityNone {
			return false
		}
	case EncrAESCBC:
		if s.Integrity != IntegrityHMACSHA256128 {
			return false
		}
	default:
		return false
	}
	return s.KeyBits == 128 || s.KeyBits == 256
}
