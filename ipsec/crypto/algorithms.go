package crypto

// Encryption is what is known of one encryption transform with one key length.
// Lengths are bytes.
type Encryption struct {
	ID EncryptionID
	// Bits is the key length that IKE negotiates; 0 where it is fixed.
	Bits int
	// Name is what suites are called by.
	Name string
	// Key is the whole key material, Salt the implicit part of the nonce at its
	// end (RFC 4106 section 8.1).
	Key, Salt int
	// AEAD says that it authenticates too, so that there is no integrity
	// transform beside it.
	AEAD bool
	// Counter says that a repeated IV under one key gives everything away, so
	// that it must not be keyed by hand (RFC 8221 section 4).
	Counter bool
	// Legacy transforms must be asked for: RFC 8221 section 5 says that they
	// must not, or should not, be used.
	Legacy bool
	// IKE says that this package's Cipher protects IKE messages with it.
	IKE bool
	// tag is the length of the ICV of an AEAD.
	tag int
}

// aesWith is AES with one key length; suffix and salt tell the modes apart.
func aesWith(id EncryptionID, bits int, suffix string, salt int) Encryption {
	name := map[int]string{128: "aes128", 192: "aes192", 256: "aes256"}[bits] + suffix
	e := Encryption{ID: id, Bits: bits, Name: name, Key: bits/8 + salt, Salt: salt, Counter: suffix != "", IKE: id != EncrNullAESGMAC}
	if e.AEAD = suffix != "" && suffix != "ctr"; e.AEAD {
		e.tag = 16
	}
	return e
}

// Encryptions are all that a data plane may be asked for, the best first.
func Encryptions() []Encryption {
	return []Encryption{
		aesWith(EncrAESGCM16, 256, "gcm16", 4),
		aesWith(EncrAESGCM16, 128, "gcm16", 4),
		aesWith(EncrAESGCM16, 192, "gcm16", 4),
		{ID: EncrChaCha20Poly1305, Name: "chacha20poly1305", Key: 36, Salt: 4, AEAD: true, Counter: true, IKE: true, tag: 16},
		aesWith(EncrAESCCM16, 256, "ccm16", 3),
		aesWith(EncrAESCCM16, 128, "ccm16", 3),
		aesWith(EncrAESCBC, 256, "", 0),
		aesWith(EncrAESCBC, 128, "", 0),
		aesWith(EncrAESCBC, 192, "", 0),
		aesWith(EncrAESCTR, 256, "ctr", 4),
		aesWith(EncrAESCTR, 128, "ctr", 4),
		aesWith(EncrNullAESGMAC, 256, "gmac", 4),
		aesWith(EncrNullAESGMAC, 128, "gmac", 4),
		{ID: EncrNull, Name: "null"},
		{ID: Encr3DES, Name: "3des", Key: 24, Legacy: true, IKE: true},
		{ID: EncrBlowfish, Bits: 128, Name: "blowfish128", Key: 16, Legacy: true},
		{ID: EncrCAST, Bits: 128, Name: "cast128", Key: 16, Legacy: true},
		{ID: EncrDES, Name: "des", Key: 8, Legacy: true},
	}
}

// onlyIKE are encryptions that no data plane here has: a shorter ICV saves ESP
// a few bytes and makes forging easier.
func onlyIKE() []Encryption {
	var out []Encryption
	for _, bits := range []int{256, 128} {
		twelve, eight := aesWith(EncrAESGCM12, bits, "gcm12", 4), aesWith(EncrAESGCM8, bits, "gcm8", 4)
		twelve.tag, eight.tag = 12, 8
		out = append(out, twelve, eight)
	}
	return out
}

// Integrity is what is known of one integrity transform. Lengths are bytes.
type Integrity struct {
	ID   IntegrityID
	Name string
	// Key is the key material, with a salt at its end for GMAC; ICV is what it
	// adds to a packet.
	Key, ICV int
	// AH says that it is for AH only: in ESP it is an encryption transform.
	AH bool
	// Counter, Legacy and IKE are as in Encryption.
	Counter, Legacy, IKE bool
}

// Integrities are all that a data plane may be asked for, the best first.
func Integrities() []Integrity {
	return []Integrity{
		{ID: IntegrityHMACSHA256128, Name: "sha256", Key: 32, ICV: 16, IKE: true},
		{ID: IntegrityHMACSHA384192, Name: "sha384", Key: 48, ICV: 24, IKE: true},
		{ID: IntegrityHMACSHA512256, Name: "sha512", Key: 64, ICV: 32, IKE: true},
		{ID: IntegrityAES256GMAC, Name: "aes256gmac", Key: 36, ICV: 16, AH: true, Counter: true},
		{ID: IntegrityAES192GMAC, Name: "aes192gmac", Key: 28, ICV: 16, AH: true, Counter: true},
		{ID: IntegrityAES128GMAC, Name: "aes128gmac", Key: 20, ICV: 16, AH: true, Counter: true},
		{ID: IntegrityHMACSHA196, Name: "sha1", Key: 20, ICV: 12, IKE: true},
		{ID: IntegrityHMACMD596, Name: "md5", Key: 16, ICV: 12, Legacy: true},
	}
}

// onlyIKEIntegrity are integrity transforms that no data plane here has.
func onlyIKEIntegrity() []Integrity {
	return []Integrity{
		{ID: IntegrityAESXCBC96, Name: "aesxcbc", Key: 16, ICV: 12, IKE: true},
		{ID: IntegrityAESCMAC96, Name: "aescmac", Key: 16, ICV: 12, IKE: true},
	}
}

// encryption finds what is known of the suite's encryption; false if nothing is.
func (s Suite) encryption() (Encryption, bool) {
	for _, e := range append(Encryptions(), onlyIKE()...) {
		if e.ID == s.Encryption && e.Bits == s.KeyBits {
			return e, true
		}
	}
	return Encryption{}, false
}

// Info finds what is known of an integrity transform; false if nothing is.
func (i IntegrityID) Info() (Integrity, bool) {
	for _, known := range append(Integrities(), onlyIKEIntegrity()...) {
		if known.ID == i {
			return known, true
		}
	}
	return Integrity{}, false
}
