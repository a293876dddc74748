package ike

import (
	"fmt"
	"slices"

	"gatehouse/ipsec/auth"
	"gatehouse/ipsec/wire"
)

// What both sides put into AUTH and how the other's is checked: a shared key
// (RFC 7296 section 2.15), or a signature and a certificate (RFC 7427).

// prove makes our AUTH over the octets, behind the certificates that it needs.
// The whole chain is sent, asked for or not: a peer that lacks an intermediate
// would ask for something that we could not know.
func (sa *SA) prove(octets []byte) (certs []wire.Payload, proof *wire.Auth, why *Reason) {
	own := sa.peer.Credential
	if own == nil {
		return nil, &wire.Auth{Method: wire.AuthSharedKey, Data: auth.SharedKey(sa.cur.suite.PRF, sa.peer.PSK, octets)}, nil
	}
	method, data, err := own.Sign(sa.env.Rand, octets, sa.start.hashes)
	if err != nil {
		return nil, nil, &Reason{Code: CertificateUnfit, Got: []string{own.String()}, Detail: err.Error()}
	}
	for _, c := range own.Chain {
		certs = append(certs, &wire.Cert{Encoding: wire.CertX509, Data: c.Raw})
	}
	return certs, &wire.Auth{Method: method, Data: data}, nil
}

// certRequest asks for a certificate of an authority that we trust; nothing if
// the peer is to use a shared key (section 3.7).
func (sa *SA) certRequest() []wire.Payload {
	if sa.peer.Trust == nil {
		return nil
	}
	return []wire.Payload{&wire.CertRequest{Encoding: wire.CertX509, Authorities: auth.AuthoritiesToWire(sa.peer.Trust.Authorities)}}
}

// verify checks that the peer is the identity that it claims, and the one that
// this connection is for.
func (sa *SA) verify(ps []wire.Payload, id auth.Identity, proof *wire.Auth, octets []byte) *Reason {
	want := sa.remoteID()
	if sa.peer.Trust == nil {
		switch {
		case proof == nil || proof.Method != wire.AuthSharedKey:
			return &Reason{Code: UnsupportedMethod, Sent: []string{"a shared key"}, Got: []string{methodName(proof)}}
		case sa.initiator && id != want: // a responder chose the connection by it
			return &Reason{Code: WrongIdentity, Sent: []string{want.String()}, Got: []string{id.String()}}
		case !auth.VerifySharedKey(sa.cur.suite.PRF, sa.peer.PSK, octets, proof.Data):
			return &Reason{Code: WrongKey, Got: []string{id.String()}}
		}
		return nil
	}
	if proof == nil || proof.Method == wire.AuthSharedKey {
		return &Reason{Code: UnsupportedMethod, Sent: []string{"a certificate"}, Got: []string{methodName(proof)}}
	}
	chain, failure := auth.ParseChain(rawCertificates(ps))
	if failure == nil {
		failure = sa.peer.Trust.Believe(chain, id, sa.now)
	}
	if failure != nil {
		return &Reason{Code: certificateCodes[failure.Check], Sent: failure.Want, Got: []string{failure.Certificate}, Detail: failure.Detail}
	}
	// A peer may give its subject as its identity where we know it by another of
	// its names.
	names := auth.Names(chain[0])
	pinnedOnly := sa.peer.RemoteID.IsZero() && len(sa.peer.Trust.Pinned) > 0
	if id != want && !slices.Contains(names, want) && !pinnedOnly {
		got := []string{id.String()}
		for _, n := range names {
			got = append(got, n.String())
		}
		return &Reason{Code: WrongIdentity, Sent: []string{want.String()}, Got: got}
	}
	if err := auth.VerifySignature(chain[0].PublicKey, proof.Method, proof.Data, octets); err != nil {
		return &Reason{Code: BadSignature, Got: []string{id.String()}, Detail: fmt.Sprintf("%s: %v", methodName(proof), err)}
	}
	return nil
}

// certificateCodes name the check that a certificate failed.
var certificateCodes = map[auth.Check]Code{
	auth.CheckSent: CertificateMissing, auth.CheckTime: CertificateExpired, auth.CheckAuthority: CertificateUntrusted,
	auth.CheckPinned: CertificateUntrusted, auth.CheckRevoked: CertificateRevoked, auth.CheckName: CertificateName,
	auth.CheckUsage: CertificateUnfit, auth.CheckStrength: CertificateUnfit,
}

// rawCertificates are the certificates of a message, the peer's own first
// (section 3.6).
func rawCertificates(ps []wire.Payload) [][]byte {
	var out [][]byte
	for _, p := range ps {
		if c, ok := p.(*wire.Cert); ok && c.Encoding == wire.CertX509 {
			out = append(out, c.Data)
		}
	}
	return out
}

func methodName(a *wire.Auth) string {
	if a == nil {
		return "EAP, or nothing"
	}
	switch a.Method {
	case wire.AuthSharedKey:
		return "a shared key"
	case wire.AuthRSA:
		return "an RSA signature"
	case wire.AuthECDSA256, wire.AuthECDSA384, wire.AuthECDSA521:
		return "an ECDSA signature"
	case wire.AuthDigitalSignature:
		return "a digital signature"
	}
	return fmt.Sprintf("method %d", a.Method)
}

// hashNotify says which hashes we verify signatures of (RFC 7427 section 4).
func hashNotify() wire.Payload {
	return &wire.Notify{NotifyType: wire.SignatureHashAlgorithms, Data: auth.HashesToWire(auth.Hashes())}
}

// learnHashes keeps what the peer verifies.
func (sa *SA) learnHashes(ps []wire.Payload) {
	if n := wire.FindNotify(ps, wire.SignatureHashAlgorithms); n != nil {
		sa.start.hashes = auth.HashesFromWire(n.Data)
	}
}

// ourOwnFault explains a refusal by the peer: a certificate of ours that is out
// of date is what nobody looks for.
func (sa *SA) ourOwnFault(why Reason) Reason {
	if own := sa.peer.Credential; own != nil && why.Code == RejectedByPeer {
		if f := own.OutOfDate(sa.now); f != nil {
			why.Code, why.Got, why.Detail = CertificateExpired, []string{f.Certificate}, why.Detail+"; our certificate: "+f.Detail
		}
	}
	return why
}
