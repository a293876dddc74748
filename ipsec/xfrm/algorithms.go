package xfrm

import (
	"fmt"

	"github.com/mdlayher/netlink"

	"gatehouse/ipsec/crypto"
	"gatehouse/ipsec/sad"
)

// The kernel's names of encryption transforms.
var ciphers = map[crypto.EncryptionID]string{
	crypto.EncrNull: "ecb(cipher_null)", crypto.EncrAESCBC: "cbc(aes)", crypto.EncrAESCTR: "rfc3686(ctr(aes))",
	crypto.Encr3DES: "cbc(des3_ede)", crypto.EncrDES: "cbc(des)", crypto.EncrCAST: "cbc(cast5)", crypto.EncrBlowfish: "cbc(blowfish)",
	crypto.EncrAESGCM16: "rfc4106(gcm(aes))", crypto.EncrAESCCM16: "rfc4309(ccm(aes))", crypto.EncrNullAESGMAC: "rfc4543(gcm(aes))",
	crypto.EncrChaCha20Poly1305: "rfc7539esp(chacha20,poly1305)",
}

var digests = map[crypto.IntegrityID]string{
	crypto.IntegrityHMACMD596: "hmac(md5)", crypto.IntegrityHMACSHA196: "hmac(sha1)", crypto.IntegrityHMACSHA256128: "hmac(sha256)",
	crypto.IntegrityHMACSHA384192: "hmac(sha384)", crypto.IntegrityHMACSHA512256: "hmac(sha512)",
}

// aeadICV is the length of an AEAD's ICV in bits.
const aeadICV = 128

// algorithms are the attributes that say how an SA protects.
func algorithms(sa sad.SA) ([]netlink.Attribute, error) {
	var out []netlink.Attribute
	if sa.Protocol == sad.ESP {
		name, ok := ciphers[sa.Suite.Encryption]
		if !ok {
			return nil, fmt.Errorf("the kernel cannot do %s", sa.Suite)
		}
		if sa.Suite.Encryption.AEAD() {
			return append(out, attribute(attrAEAD, algorithm(name, sa.EncryptionKey, aeadICV))), nil
		}
		out = append(out, attribute(attrCrypt, algorithm(name, sa.EncryptionKey)))
	}
	name, ok := digests[sa.Suite.Integrity]
	if !ok {
		return nil, fmt.Errorf("the kernel cannot do %s", sa.Suite)
	}
	i, _ := sa.Suite.Integrity.Info()
	return append(out, attribute(attrAuthTrunc, algorithm(name, sa.IntegrityKey, uint32(i.ICV)*8))), nil
}
