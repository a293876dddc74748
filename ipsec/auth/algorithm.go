package auth

import (
	"bytes"
	"crypto"
	"crypto/x509/pkix"
	"encoding/asn1"
)

// The AlgorithmIdentifiers of digital signatures (RFC 7427 appendix A, RFC 8420
// appendix A). They are compared as bytes; only RSASSA-PSS has parameters that
// must be read.

// scheme is a way to sign.
type scheme uint8

const (
	pkcs1 scheme = iota + 1
	pss
	ecdsaSign
	ed25519Sign
)

// algorithm is what an AlgorithmIdentifier says.
type algorithm struct {
	scheme scheme
	hash   crypto.Hash // 0 for Ed25519
	// salt is the length of that of PSS in bytes.
	salt int
}

var (
	oidPSS    = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 10}
	oidMGF1   = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 8}
	oidHashes = map[crypto.Hash]asn1.ObjectIdentifier{
		crypto.SHA256: {2, 16, 840, 1, 101, 3, 4, 2, 1},
		crypto.SHA384: {2, 16, 840, 1, 101, 3, 4, 2, 2},
		crypto.SHA512: {2, 16, 840, 1, 101, 3, 4, 2, 3},
	}
)

// fixed are the identifiers without parameters to choose.
var fixed = map[algorithm][]byte{
	{scheme: pkcs1, hash: crypto.SHA256}:     unvaried(1, 2, 840, 113549, 1, 1, 11),
	{scheme: pkcs1, hash: crypto.SHA384}:     unvaried(1, 2, 840, 113549, 1, 1, 12),
	{scheme: pkcs1, hash: crypto.SHA512}:     unvaried(1, 2, 840, 113549, 1, 1, 13),
	{scheme: ecdsaSign, hash: crypto.SHA256}: bare(1, 2, 840, 10045, 4, 3, 2),
	{scheme: ecdsaSign, hash: crypto.SHA384}: bare(1, 2, 840, 10045, 4, 3, 3),
	{scheme: ecdsaSign, hash: crypto.SHA512}: bare(1, 2, 840, 10045, 4, 3, 4),
	{scheme: ed25519Sign}:                    bare(1, 3, 101, 112),
}

// unvaried is an identifier whose parameters are NULL, bare one without any.
func unvaried(oid ...int) []byte {
	return marshal(pkix.AlgorithmIdentifier{Algorithm: oid, Parameters: asn1.NullRawValue})
}

func bare(oid ...int) []byte { return marshal(pkix.AlgorithmIdentifier{Algorithm: oid}) }

func marshal(v any) []byte {
	b, err := asn1.Marshal(v)
	if err != nil {
		panic(err) // constants
	}
	return b
}

// pssParameters is RSASSA-PSS-params (RFC 4055 section 3.1).
type pssParameters struct {
	Hash    pkix.AlgorithmIdentifier `asn1:"explicit,tag:0"`
	MGF     pkix.AlgorithmIdentifier `asn1:"explicit,tag:1"`
	Salt    int                      `asn1:"explicit,tag:2"`
	Trailer int                      `asn1:"optional,explicit,tag:3,default:1"`
}

// identifier gives the DER of an algorithm.
func (a algorithm) identifier() []byte {
	if b, ok := fixed[a]; ok {
		return b
	}
	hash := pkix.AlgorithmIdentifier{Algorithm: oidHashes[a.hash], Parameters: asn1.NullRawValue}
	mgf := pkix.AlgorithmIdentifier{Algorithm: oidMGF1, Parameters: asn1.RawValue{FullBytes: marshal(hash)}}
	parameters := pssParameters{Hash: hash, MGF: mgf, Salt: a.salt, Trailer: 1}
	return marshal(pkix.AlgorithmIdentifier{Algorithm: oidPSS, Parameters: asn1.RawValue{FullBytes: marshal(parameters)}})
}

// parseAlgorithm reads an AlgorithmIdentifier; false if it is none that we
// accept, such as anything with SHA-1.
func parseAlgorithm(der []byte) (algorithm, bool) {
	for a, b := range fixed {
		if bytes.Equal(b, der) {
			return a, true
		}
	}
	var id pkix.AlgorithmIdentifier
	if rest, err := asn1.Unmarshal(der, &id); err != nil || len(rest) > 0 || !id.Algorithm.Equal(oidPSS) {
		return algorithm{}, false
	}
	var p pssParameters
	if rest, err := asn1.Unmarshal(id.Parameters.FullBytes, &p); err != nil || len(rest) > 0 || p.Trailer != 1 || p.Salt < 0 || p.Salt > 512 {
		return algorithm{}, false
	}
	var inner pkix.AlgorithmIdentifier
	if !p.MGF.Algorithm.Equal(oidMGF1) {
		return algorithm{}, false
	}
	if rest, err := asn1.Unmarshal(p.MGF.Parameters.FullBytes, &inner); err != nil || len(rest) > 0 || !inner.Algorithm.Equal(p.Hash.Algorithm) {
		return algorithm{}, false
	}
	for h, oid := range oidHashes {
		if oid.Equal(p.Hash.Algorithm) {
			return algorithm{scheme: pss, hash: h, salt: p.Salt}, true
		}
	}
	return algorithm{}, false
}
