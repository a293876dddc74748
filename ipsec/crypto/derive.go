package crypto

import (
	"encoding/binary"
	"fmt"
)

// IKEKeys are the keys of one IKE SA (RFC 7296 section 2.14). i is the
// direction from the original initiator, r the one from the responder.
type IKEKeys struct {
	D      []byte // for child keys
	Ai, Ar []byte // integrity; empty for AEAD
	Ei, Er []byte // encryption, salt at the end for AEAD
	Pi, Pr []byte // for AUTH
}

// DeriveIKE derives from the first key exchange (RFC 7296 section 2.14).
func DeriveIKE(s Suite, shared, ni, nr []byte, spii, spir uint64) (IKEKeys, error) {
	if !s.PRF.Known() {
		return IKEKeys{}, fmt.Errorf("suite %s is not supported", s)
	}
	seed := s.PRF.Sum(s.PRF.seedKey(ni, nr), shared)
	return deriveIKE(s, seed, ni, nr, spii, spir)
}

// DeriveIKERekey derives the keys of an IKE SA that replaces another one:
// SKEYSEED comes from the old SK_d by the old PRF (RFC 7296 section 2.18).
func DeriveIKERekey(old PRFID, oldD []byte, s Suite, shared, ni, nr []byte, spii, spir uint64) (IKEKeys, error) {
	seed := old.Sum(oldD, shared, ni, nr)
	return deriveIKE(s, seed, ni, nr, spii, spir)
}

func deriveIKE(s Suite, skeyseed, ni, nr []byte, spii, spir uint64) (IKEKeys, error) {
	if !s.ForIKE() || !s.PRF.Known() {
		return IKEKeys{}, fmt.Errorf("suite %s is not supported", s)
	}
	enc, integ := ChildKeySizes(s)
	p := s.PRF.Size()
	seed := append(append([]byte(nil), ni...), nr...)
	seed = binary.BigEndian.AppendUint64(seed, spii)
	seed = binary.BigEndian.AppendUint64(seed, spir)
	cut := cutter(s.PRF.Plus(skeyseed, seed, 3*p+2*enc+2*integ))
	return IKEKeys{
		D: cut(p), Ai: cut(integ), Ar: cut(integ), Ei: cut(enc), Er: cut(enc), Pi: cut(p), Pr: cut(p),
	}, nil
}

// MixPPK puts a post-quantum preshared key into the keys that others are made
// of and that AUTH is made with (RFC 8784 section 3).
func MixPPK(prf PRFID, ppk []byte, k IKEKeys) IKEKeys {
	for _, key := range []*[]byte{&k.D, &k.Pi, &k.Pr} {
		*key = prf.Plus(ppk, *key, len(*key))
	}
	return k
}

// ChildKeys are the keys of a pair of child SAs; i is the direction from the
// initiator of the exchange that made the child.
type ChildKeys struct{ Ei, Ai, Er, Ar []byte }

// DeriveChild derives the keys of a child SA (RFC 7296 section 2.17). shared
// is nil without a key exchange of its own.
func DeriveChild(prf PRFID, d []byte, child Suite, shared, ni, nr []byte) (ChildKeys, error) {
	if !child.ForESP() && !child.ForAH() {
		return ChildKeys{}, fmt.Errorf("suite %s is not supported", child)
	}
	enc, integ := ChildKeySizes(child)
	seed := append(append(append([]byte(nil), shared...), ni...), nr...)
	cut := cutter(prf.Plus(d, seed, 2*enc+2*integ))
	return ChildKeys{Ei: cut(enc), Ai: cut(integ), Er: cut(enc), Ar: cut(integ)}, nil
}

// cutter takes key material apart from the front.
func cutter(material []byte) func(n int) []byte {
	return func(n int) []byte {
		part := material[:n:n]
		material = material[n:]
		return part
	}
}

// keyPad is the string of RFC 7296 section 2.15.
const keyPad = "Key Pad for IKEv2"

// SignedOctets are what a side's AUTH covers: its first message, the other's
// nonce, and its identity keyed with its SK_p (RFC 7296 section 2.15).
func SignedOctets(prf PRFID, message, nonce, skp, idBody []byte) []byte {
	out := append([]byte(nil), message...)
	out = append(out, nonce...)
	return append(out, prf.Sum(skp, idBody)...)
}

// PSKAuth is the AUTH value for a shared key (RFC 7296 section 2.15).
func PSKAuth(prf PRFID, psk, signedOctets []byte) []byte {
	return prf.Sum(prf.Sum(psk, []byte(keyPad)), signedOctets)
}
