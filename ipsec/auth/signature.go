package auth

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"errors"
	"fmt"
	"io"
	"math/big"
	"slices"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"

	"gatehouse/ipsec/wire"
)

// ErrBadSignature is every signature that does not verify.
var ErrBadSignature = errors.New("the signature does not verify")

// oldECDSA are the methods of RFC 4754, each with its curve and hash.
var oldECDSA = map[uint8]struct {
	curve elliptic.Curve
	hash  crypto.Hash
}{
	wire.AuthECDSA256: {elliptic.P256(), crypto.SHA256},
	wire.AuthECDSA384: {elliptic.P384(), crypto.SHA384},
	wire.AuthECDSA521: {elliptic.P521(), crypto.SHA512},
}

// Sign makes the AUTH of a side with this key. theirs are the hash algorithms
// that the peer verifies (RFC 7427 section 4); none means that it knows only
// the methods of RFC 7296 and RFC 4754.
func (c *Credential) Sign(rand io.Reader, octets []byte, theirs []HashID) (method uint8, data []byte, err error) {
	if len(theirs) == 0 {
		return c.signOld(rand, octets)
	}
	a, err := c.choose(theirs)
	if err != nil {
		return 0, nil, err
	}
	var options crypto.SignerOpts = a.hash
	signed := octets
	if a.hash != 0 {
		signed = digest(a.hash, octets)
	}
	if a.scheme == pss {
		options = &rsa.PSSOptions{SaltLength: a.salt, Hash: a.hash}
	}
	signature, err := c.Key.Sign(rand, signed, options)
	if err != nil {
		return 0, nil, fmt.Errorf("sign: %w", err)
	}
	// RFC 7427 section 3: the identifier's length, the identifier, the value.
	id := a.identifier()
	return wire.AuthDigitalSignature, slices.Concat([]byte{byte(len(id))}, id, signature), nil
}

// choose picks how to sign for a peer that verifies these hashes.
func (c *Credential) choose(theirs []HashID) (algorithm, error) {
	preferred := Hashes()
	var a algorithm
	switch key := c.Key.Public().(type) {
	case *rsa.PublicKey:
		if a.scheme = pkcs1; c.PSS {
			a.scheme = pss
		}
	case *ecdsa.PublicKey:
		a.scheme = ecdsaSign
		// A hash shorter than the curve would be what is broken first.
		switch key.Curve {
		case elliptic.P384():
			preferred = []HashID{HashSHA384, HashSHA512, HashSHA256}
		case elliptic.P521():
			preferred = []HashID{HashSHA512, HashSHA384, HashSHA256}
		}
	case ed25519.PublicKey:
		if !slices.Contains(theirs, HashIdentity) {
			return a, errors.New("the peer does not verify Ed25519 (RFC 8420): use a certificate with an RSA or ECDSA key")
		}
		return algorithm{scheme: ed25519Sign}, nil
	default:
		return a, fmt.Errorf("a key of type %T cannot sign for IKE", key)
	}
	for _, id := range preferred {
		if h := hashes[id]; h != 0 && slices.Contains(theirs, id) {
			if a.hash = h; a.scheme == pss {
				a.salt = h.Size()
			}
			return a, nil
		}
	}
	return a, errors.New("the peer verifies no hash that is good enough: SHA-256, SHA-384 or SHA-512")
}

// signOld uses the methods that need no SIGNATURE_HASH_ALGORITHMS: RSA with
// SHA-1 (RFC 7296 section 3.8) and ECDSA as plain numbers (RFC 4754 section 7).
func (c *Credential) signOld(rand io.Reader, octets []byte) (uint8, []byte, error) {
	switch key := c.Key.Public().(type) {
	case *rsa.PublicKey:
		signature, err := c.Key.Sign(rand, digest(crypto.SHA1, octets), crypto.SHA1)
		return wire.AuthRSA, signature, err
	case *ecdsa.PublicKey:
		for method, old := range oldECDSA {
			if old.curve != key.Curve {
				continue
			}
			der, err := c.Key.Sign(rand, digest(old.hash, octets), old.hash)
			if err != nil {
				return 0, nil, fmt.Errorf("sign: %w", err)
			}
			r, s, err := numbers(der)
			if err != nil {
				return 0, nil, err
			}
			size := (key.Curve.Params().BitSize + 7) / 8
			return method, append(r.FillBytes(make([]byte, size)), s.FillBytes(make([]byte, size))...), nil
		}
	}
	return 0, nil, errors.New("the peer does not know signatures of RFC 7427, which this certificate's key needs")
}

// numbers takes an ECDSA-Sig-Value apart.
func numbers(der []byte) (r, s *big.Int, err error) {
	r, s = new(big.Int), new(big.Int)
	in := cryptobyte.String(der)
	var pair cryptobyte.String
	if !in.ReadASN1(&pair, asn1.SEQUENCE) || !in.Empty() || !pair.ReadASN1Integer(r) || !pair.ReadASN1Integer(s) || !pair.Empty() {
		return nil, nil, ErrBadSignature
	}
	return r, s, nil
}

// VerifySignature checks an AUTH payload against the key of a certificate,
// which must have been validated.
func VerifySignature(public crypto.PublicKey, method uint8, data, octets []byte) error {
	switch method {
	case wire.AuthDigitalSignature:
		in := cryptobyte.String(data)
		var id cryptobyte.String
		if !in.ReadUint8LengthPrefixed(&id) {
			return ErrBadSignature
		}
		a, ok := parseAlgorithm(id)
		if !ok {
			return fmt.Errorf("%w: its algorithm is not accepted", ErrBadSignature)
		}
		return a.verify(public, in, octets)
	case wire.AuthRSA:
		if key, ok := public.(*rsa.PublicKey); ok && rsa.VerifyPKCS1v15(key, crypto.SHA1, digest(crypto.SHA1, octets), data) == nil {
			return nil
		}
	default:
		old, known := oldECDSA[method]
		key, ok := public.(*ecdsa.PublicKey)
		if !known || !ok || key.Curve != old.curve {
			return ErrBadSignature
		}
		size := (key.Curve.Params().BitSize + 7) / 8
		if len(data) != 2*size {
			return ErrBadSignature
		}
		r, s := new(big.Int).SetBytes(data[:size]), new(big.Int).SetBytes(data[size:])
		if ecdsa.Verify(key, digest(old.hash, octets), r, s) {
			return nil
		}
	}
	return ErrBadSignature
}

func (a algorithm) verify(public crypto.PublicKey, signature, octets []byte) error {
	ok := false
	switch key := public.(type) {
	case *rsa.PublicKey:
		switch a.scheme {
		case pkcs1:
			ok = rsa.VerifyPKCS1v15(key, a.hash, digest(a.hash, octets), signature) == nil
		case pss:
			ok = rsa.VerifyPSS(key, a.hash, digest(a.hash, octets), signature, &rsa.PSSOptions{SaltLength: a.salt, Hash: a.hash}) == nil
		}
	case *ecdsa.PublicKey:
		ok = a.scheme == ecdsaSign && ecdsa.VerifyASN1(key, digest(a.hash, octets), signature)
	case ed25519.PublicKey:
		ok = a.scheme == ed25519Sign && ed25519.Verify(key, octets, signature)
	}
	if !ok {
		return ErrBadSignature
	}
	return nil
}
