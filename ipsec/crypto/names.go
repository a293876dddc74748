package crypto

import (
	"fmt"
	"slices"
	"strings"
)

// The names of suites, as an admin writes them: the encryption, the integrity
// unless the encryption has its own, the PRF where it is not the one that goes
// with them, the key exchange group, and an additional key exchange:
// aes256gcm16-prfsha384-ecp384-ke1_mlkem1024.

// additionalWord is in front of an additional key exchange, as in
// aes256gcm16-x25519-ke1_mlkem768.
const additionalWord = "ke1_"

// prfWords are the names of PRFs in suites.
var prfWords = map[PRFID]string{
	PRFHMACSHA1: "prfsha1", PRFHMACSHA256: "prfsha256", PRFHMACSHA384: "prfsha384", PRFHMACSHA512: "prfsha512",
	PRFAESXCBC: "prfaesxcbc", PRFAESCMAC: "prfaescmac",
}

// impliedPRF is what goes with a suite that names none: that of the same hash,
// and HMAC-SHA2-256 beside an AEAD.
func impliedPRF(i IntegrityID) PRFID {
	switch i {
	case IntegrityHMACSHA196:
		return PRFHMACSHA1
	case IntegrityHMACSHA384192:
		return PRFHMACSHA384
	case IntegrityHMACSHA512256:
		return PRFHMACSHA512
	case IntegrityAESXCBC96:
		return PRFAESXCBC
	case IntegrityAESCMAC96:
		return PRFAESCMAC
	}
	return PRFHMACSHA256
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
	if word := prfWords[s.PRF]; word != "" && s.PRF != impliedPRF(s.Integrity) {
		parts = append(parts, word)
	}
	if s.Group != GroupNone {
		parts = append(parts, s.Group.String())
	}
	if s.Additional != GroupNone {
		parts = append(parts, additionalWord+s.Additional.String())
	}
	return strings.Join(parts, "-")
}

// ParseIKESuite reads names such as aes256gcm16-x25519,
// aes256-sha256-modp2048 or aes256gcm16-prfsha384-ecp384.
func ParseIKESuite(name string) (Suite, error) {
	s, rest, err := parseCiphers(name, append(Encryptions(), onlyIKE()...), append(Integrities(), onlyIKEIntegrity()...))
	if err != nil {
		return Suite{}, err
	}
	if !s.ForIKE() {
		return Suite{}, fmt.Errorf("IKE proposal %q: only ESP can be protected so", name)
	}
	s.PRF = impliedPRF(s.Integrity)
	if len(rest) > 0 {
		if p, ok := byName(prfWords, rest[0]); ok {
			s.PRF, rest = p, rest[1:]
		}
	}
	if n := len(rest); n > 1 {
		if word, is := strings.CutPrefix(rest[n-1], additionalWord); is {
			k, ok := byName(kemNames, word)
			if !ok {
				return Suite{}, fmt.Errorf("IKE proposal %q: %q is not known there", name, rest[n-1])
			}
			s.Additional, rest = k, rest[:n-1]
		}
	}
	if err := s.parseGroup(name, rest); err != nil {
		return Suite{}, err
	}
	if s.Group == GroupNone {
		return Suite{}, fmt.Errorf("IKE proposal %q names no key exchange group", name)
	}
	return s, nil
}

// ParseESPSuite reads names such as aes256gcm16, aes256-sha256 or null-sha512;
// a group at the end asks for perfect forward secrecy.
func ParseESPSuite(name string) (Suite, error) {
	s, rest, err := parseCiphers(name, Encryptions(), Integrities())
	if err == nil {
		err = s.parseGroup(name, rest)
	}
	if err != nil {
		return Suite{}, err
	}
	return s, nil
}

// ParseAHSuite reads names such as sha256 or aes256gmac; a group at the end
// asks for perfect forward secrecy.
func ParseAHSuite(name string) (Suite, error) {
	parts := strings.Split(name, "-")
	i, ok := integrityNamed(Integrities(), parts[0])
	if !ok {
		return Suite{}, fmt.Errorf("AH proposal %q names no integrity transform", name)
	}
	s := Suite{Integrity: i.ID}
	if err := s.parseGroup(name, parts[1:]); err != nil {
		return Suite{}, err
	}
	return s, nil
}

// parseCiphers reads the encryption and what makes it whole; rest is what
// follows.
func parseCiphers(name string, encryptions []Encryption, integrities []Integrity) (s Suite, rest []string, err error) {
	parts := strings.Split(name, "-")
	at := slices.IndexFunc(encryptions, func(e Encryption) bool { return e.Name == parts[0] })
	if at < 0 {
		return Suite{}, nil, fmt.Errorf("proposal %q: %q is not known there", name, parts[0])
	}
	e := encryptions[at]
	s, rest = Suite{Encryption: e.ID, KeyBits: e.Bits}, parts[1:]
	if e.AEAD {
		return s, rest, nil
	}
	if len(rest) > 0 {
		if i, ok := integrityNamed(integrities, rest[0]); ok && !i.AH {
			s.Integrity = i.ID
			return s, rest[1:], nil
		}
	}
	return Suite{}, nil, fmt.Errorf("proposal %q encrypts without integrity; add sha256", name)
}

func integrityNamed(all []Integrity, name string) (Integrity, bool) {
	at := slices.IndexFunc(all, func(i Integrity) bool { return i.Name == name })
	if at < 0 {
		return Integrity{}, false
	}
	return all[at], true
}

// parseGroup reads what is left of a name: a group, or nothing.
func (s *Suite) parseGroup(name string, rest []string) error {
	if len(rest) == 0 {
		return nil
	}
	g, ok := byName(groupNames, rest[0])
	if !ok || g == GroupNone {
		return fmt.Errorf("proposal %q: %q is not known there", name, rest[0])
	}
	if len(rest) > 1 {
		return fmt.Errorf("proposal %q: %q is too much", name, rest[1])
	}
	s.Group = g
	return nil
}

func byName[K comparable](names map[K]string, name string) (K, bool) {
	for k, n := range names {
		if n == name {
			return k, true
		}
	}
	var none K
	return none, false
}
