package crypto

// EncryptionID is an IKEv2 transform of type 1 (IANA "Transform Type 1 -
// Encryption Algorithm Transform IDs", RFC 7296 section 3.3.2). The same
// numbers name the encryption of an ESP SA.
type EncryptionID uint16

// Encryption transforms. EncrNone is that of AH, which has none.
const (
	EncrNone             EncryptionID = 0
	EncrDES              EncryptionID = 2  // RFC 2405; legacy
	Encr3DES             EncryptionID = 3  // RFC 2451; legacy
	EncrCAST             EncryptionID = 6  // RFC 2451; legacy
	EncrBlowfish         EncryptionID = 7  // RFC 2451; legacy
	EncrNull             EncryptionID = 11 // RFC 2410
	EncrAESCBC           EncryptionID = 12 // RFC 3602
	EncrAESCTR           EncryptionID = 13 // RFC 3686
	EncrAESCCM16         EncryptionID = 16 // RFC 4309 (ESP), RFC 5282 (IKE)
	EncrAESGCM8          EncryptionID = 18 // RFC 5282; IKE only
	EncrAESGCM12         EncryptionID = 19 // RFC 5282; IKE only
	EncrAESGCM16         EncryptionID = 20 // RFC 4106 (ESP), RFC 5282 (IKE)
	EncrNullAESGMAC      EncryptionID = 21 // RFC 4543: integrity only
	EncrChaCha20Poly1305 EncryptionID = 28 // RFC 7634
)

// PRFID is a transform of type 2.
type PRFID uint16

// Pseudorandom functions.
const (
	PRFHMACSHA1   PRFID = 2 // RFC 2104; legacy
	PRFAESXCBC    PRFID = 4 // RFC 4434
	PRFHMACSHA256 PRFID = 5 // RFC 4868
	PRFHMACSHA384 PRFID = 6 // RFC 4868
	PRFHMACSHA512 PRFID = 7 // RFC 4868
	PRFAESCMAC    PRFID = 8 // RFC 4615
)

// IntegrityID is a transform of type 3.
type IntegrityID uint16

// Integrity transforms.
const (
	IntegrityNone          IntegrityID = 0
	IntegrityHMACMD596     IntegrityID = 1  // RFC 2403; legacy
	IntegrityHMACSHA196    IntegrityID = 2  // RFC 2404
	IntegrityAESXCBC96     IntegrityID = 5  // RFC 3566; IKE only
	IntegrityAESCMAC96     IntegrityID = 8  // RFC 4494; IKE only
	IntegrityAES128GMAC    IntegrityID = 9  // RFC 4543; AH only
	IntegrityAES192GMAC    IntegrityID = 10 // RFC 4543; AH only
	IntegrityAES256GMAC    IntegrityID = 11 // RFC 4543; AH only
	IntegrityHMACSHA256128 IntegrityID = 12 // RFC 4868
	IntegrityHMACSHA384192 IntegrityID = 13 // RFC 4868
	IntegrityHMACSHA512256 IntegrityID = 14 // RFC 4868
)

// GroupID is a transform of type 4, a key exchange method.
type GroupID uint16

// Key exchange groups.
const (
	GroupNone     GroupID = 0
	GroupMODP1024 GroupID = 2  // RFC 2409; legacy
	GroupMODP1536 GroupID = 5  // RFC 3526; legacy
	GroupMODP2048 GroupID = 14 // RFC 3526
	GroupMODP3072 GroupID = 15 // RFC 3526
	GroupMODP4096 GroupID = 16 // RFC 3526
	GroupMODP6144 GroupID = 17 // RFC 3526
	GroupMODP8192 GroupID = 18 // RFC 3526
	GroupECP256   GroupID = 19 // RFC 5903
	GroupECP384   GroupID = 20 // RFC 5903
	GroupECP521   GroupID = 21 // RFC 5903
	GroupX25519   GroupID = 31 // RFC 8031
	GroupX448     GroupID = 32 // RFC 8031
	KEMML768      GroupID = 36 // ML-KEM-768, draft-ietf-ipsecme-ikev2-mlkem; additional only
	KEMML1024     GroupID = 37 // ML-KEM-1024; additional only
)

// Suite is one complete choice of transforms, for an IKE SA or for a child.
// A child has no PRF; its Group is GroupNone without perfect forward secrecy.
type Suite struct {
	Encryption EncryptionID
	KeyBits    int // 128, 192 or 256 for AES; 0 where the transform has no key length
	Integrity  IntegrityID
	PRF        PRFID
	Group      GroupID
	// Additional is a key exchange after the first (RFC 9370), of an IKE SA only.
	Additional GroupID
}
