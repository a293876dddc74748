package crypto

import "slices"

// Profile is what kind of peer suites are meant for where an admin names none.
type Profile uint8

// The profiles.
const (
	// ForGatehouse knows that the other side is one of us.
	ForGatehouse Profile = iota
	// ForPartner offers whatever RFC 8247 and RFC 8221 do not advise against.
	ForPartner
	// Strict is what CNSA 2.0 names: AES-256, SHA-384 and up, and ML-KEM-1024
	// behind P-384.
	Strict
	// ForLegacy is ForPartner and what devices from before 2015 need.
	ForLegacy
)

// Suites are the ones that a profile offers and accepts, the best first.
func (p Profile) Suites() (ike, esp []Suite) {
	switch p {
	case ForPartner:
		return append(hybrids(), product(partnerCiphers, partnerGroups)...), partnerESP()
	case Strict:
		return strictSuites()
	case ForLegacy:
		ike = product(partnerCiphers, partnerGroups)
		ike = append(ike, product(partnerCiphers, legacyGroups)...)
		ike = append(ike, product(legacyCiphers, slices.Concat(partnerGroups, legacyGroups))...)
		return ike, append(partnerESP(), withoutPRF(legacyCiphers)...)
	}
	return append(hybrids(), DefaultIKESuites()...), DefaultESPSuites()
}

var (
	partnerGroups = []GroupID{GroupX25519, GroupECP256, GroupECP384, GroupMODP3072, GroupMODP4096, GroupMODP2048}
	legacyGroups  = []GroupID{GroupMODP1536, GroupMODP1024}
)

// partnerCiphers and legacyCiphers are suites without their groups.
var (
	partnerCiphers = []Suite{
		{Encryption: EncrAESGCM16, KeyBits: 256, PRF: PRFHMACSHA256},
		{Encryption: EncrAESGCM16, KeyBits: 256, PRF: PRFHMACSHA384},
		{Encryption: EncrAESGCM16, KeyBits: 128, PRF: PRFHMACSHA256},
		{Encryption: EncrChaCha20Poly1305, PRF: PRFHMACSHA256},
		{Encryption: EncrAESCBC, KeyBits: 256, Integrity: IntegrityHMACSHA256128, PRF: PRFHMACSHA256},
		{Encryption: EncrAESCBC, KeyBits: 256, Integrity: IntegrityHMACSHA384192, PRF: PRFHMACSHA384},
		{Encryption: EncrAESCBC, KeyBits: 256, Integrity: IntegrityHMACSHA512256, PRF: PRFHMACSHA512},
		{Encryption: EncrAESCBC, KeyBits: 128, Integrity: IntegrityHMACSHA256128, PRF: PRFHMACSHA256},
	}
	legacyCiphers = []Suite{
		{Encryption: EncrAESCBC, KeyBits: 256, Integrity: IntegrityHMACSHA196, PRF: PRFHMACSHA1},
		{Encryption: EncrAESCBC, KeyBits: 128, Integrity: IntegrityHMACSHA196, PRF: PRFHMACSHA1},
		{Encryption: Encr3DES, Integrity: IntegrityHMACSHA256128, PRF: PRFHMACSHA256},
		{Encryption: Encr3DES, Integrity: IntegrityHMACSHA196, PRF: PRFHMACSHA1},
	}
)

// product gives every group to every suite, in the order of the groups: a
// suite is cheap to change, another group costs a round trip.
func product(ciphers []Suite, groups []GroupID) []Suite {
	var out []Suite
	for _, g := range groups {
		for _, s := range ciphers {
			s.Group = g
			out = append(out, s)
		}
	}
	return out
}

func withoutPRF(suites []Suite) []Suite {
	var out []Suite
	for _, s := range suites {
		s.PRF = 0
		out = append(out, s)
	}
	return out
}

// partnerESP are the partner's ciphers, each once.
func partnerESP() []Suite {
	var out []Suite
	seen := map[Suite]bool{}
	for _, s := range withoutPRF(partnerCiphers) {
		if !seen[s] {
			seen[s] = true
			out = append(out, s)
		}
	}
	return out
}

func strictSuites() (ike, esp []Suite) {
	for _, p := range []PRFID{PRFHMACSHA384, PRFHMACSHA512} {
		ike = append(ike, Suite{Encryption: EncrAESGCM16, KeyBits: 256, PRF: p, Group: GroupECP384, Additional: KEMML1024})
	}
	return ike, []Suite{{Encryption: EncrAESGCM16, KeyBits: 256, Group: GroupECP384}}
}

// hybrids come first for whoever can: what is recorded today stays closed to a
// quantum computer of tomorrow. It costs one round trip more.
func hybrids() []Suite {
	s := partnerCiphers[0]
	s.Group, s.Additional = GroupX25519, KEMML768
	return []Suite{s}
}

// DefaultIKESuites are offered to another Gatehouse behind those with ML-KEM, the
// best first.
func DefaultIKESuites() []Suite {
	return product([]Suite{partnerCiphers[0], partnerCiphers[4]}, []GroupID{GroupX25519, GroupECP256, GroupMODP2048})
}

// DefaultESPSuites are offered to another Gatehouse, the best first.
func DefaultESPSuites() []Suite {
	return []Suite{
		{Encryption: EncrAESGCM16, KeyBits: 256},
		{Encryption: EncrAESCBC, KeyBits: 256, Integrity: IntegrityHMACSHA256128},
	}
}

// LegacyIKE says whether anything in the suite must or should not be used in
// IKE (RFC 8247 sections 2.1 to 2.4).
func (s Suite) LegacyIKE() bool {
	return s.Legacy() || s.Integrity == IntegrityHMACSHA196 || s.PRF == PRFHMACSHA1 ||
		s.Group == GroupMODP1024 || s.Group == GroupMODP1536
}
