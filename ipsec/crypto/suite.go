package crypto

import (
	"fmt"
	"slices"
)

func (e EncryptionID) String() string {
	if name, ok := encryptionNames[e]; ok {
		return name
	}
	return fmt.Sprintf("encryption transform %d", uint16(e))
}

var encryptionNames = map[EncryptionID]string{
	EncrNone: "none", EncrDES: "DES", Encr3DES: "3DES", EncrCAST: "CAST-128", EncrBlowfish: "Blowfish", EncrNull: "NULL",
	EncrAESCBC: "AES-CBC", EncrAESCTR: "AES-CTR", EncrAESCCM16: "AES-CCM-16", EncrAESGCM8: "AES-GCM-8", EncrAESGCM12: "AES-GCM-12", EncrAESGCM16: "AES-GCM-16",
	EncrNullAESGMAC: "NULL with AES-GMAC", EncrChaCha20Poly1305: "ChaCha20-Poly1305",
}

func (p PRFID) String() string {
	if name, ok := prfNames[p]; ok {
		return name
	}
	return fmt.Sprintf("PRF transform %d", uint16(p))
}

var prfNames = map[PRFID]string{
	PRFHMACSHA1: "PRF-HMAC-SHA1", PRFHMACSHA256: "PRF-HMAC-SHA2-256", PRFHMACSHA384: "PRF-HMAC-SHA2-384",
	PRFHMACSHA512: "PRF-HMAC-SHA2-512", PRFAESXCBC: "PRF-AES128-XCBC", PRFAESCMAC: "PRF-AES128-CMAC",
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
	IntegrityAESXCBC96: "AES-XCBC-96", IntegrityAESCMAC96: "AES-CMAC-96",
}

func (g GroupID) String() string {
	if name, ok := groupNames[g]; ok {
		return name
	}
	if name, ok := kemNames[g]; ok {
		return name
	}
	return fmt.Sprintf("group %d", uint16(g))
}

var groupNames = map[GroupID]string{
	GroupNone: "none", GroupMODP1024: "modp1024", GroupMODP1536: "modp1536", GroupMODP2048: "modp2048",
	GroupMODP3072: "modp3072", GroupMODP4096: "modp4096", GroupMODP6144: "modp6144", GroupMODP8192: "modp8192",
	GroupECP256: "ecp256", GroupECP384: "ecp384", GroupECP521: "ecp521", GroupX25519: "x25519", GroupX448: "x448",
}

// kemNames are apart: none of them is a group.
var kemNames = map[GroupID]string{KEMML768: "mlkem768", KEMML1024: "mlkem1024"}

// AEAD says whether the encryption authenticates too.
func (e EncryptionID) AEAD() bool {
	switch e {
	case EncrAESGCM16, EncrAESGCM12, EncrAESGCM8, EncrAESCCM16, EncrNullAESGMAC, EncrChaCha20Poly1305:
		return true
	}
	return false
}

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
	i, _ := s.Integrity.Info()
	return ok && e.IKE && (e.AEAD && s.Integrity == IntegrityNone || !e.AEAD && i.IKE)
}

// ForESP says whether the suite is complete for ESP: encryption, even if it is
// NULL, always with integrity (RFC 8221 section 4).
func (s Suite) ForESP() bool {
	e, ok := s.encryption()
	if !ok || e.AEAD {
		return ok && s.Integrity == IntegrityNone && !slices.Contains(onlyIKE(), e)
	}
	i, ok := s.Integrity.Info()
	return ok && !i.AH && !slices.Contains(onlyIKEIntegrity(), i)
}

// ForAH says whether the suite is complete for AH.
func (s Suite) ForAH() bool {
	i, ok := s.Integrity.Info()
	return ok && !slices.Contains(onlyIKEIntegrity(), i) && s.Encryption == EncrNone && s.KeyBits == 0
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
