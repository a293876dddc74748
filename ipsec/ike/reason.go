package ike

import "fmt"

// Code says why something failed, in a form that pages and tests can rely on.
type Code string

// The codes.
const (
	NoAnswer          Code = "no_answer"          // no reply to IKE_SA_INIT
	NoAuthAnswer      Code = "no_auth_answer"     // IKE_SA_INIT was answered, IKE_AUTH was not
	PeerDead          Code = "peer_dead"          // an established peer stopped answering
	NoProposal        Code = "no_proposal"        // no common algorithms
	WrongKey          Code = "wrong_key"          // AUTH does not verify with our shared key
	RejectedByPeer    Code = "rejected_by_peer"   // the peer sent AUTHENTICATION_FAILED
	UnknownPeer       Code = "unknown_peer"       // no connection has this identity
	WrongIdentity     Code = "wrong_identity"     // the peer is not who we expect
	SelectorsRefused  Code = "selectors_refused"  // TS_UNACCEPTABLE, either side
	PFSDiffers        Code = "pfs_differs"        // the groups of child SAs have nothing in common
	ModeRefused       Code = "mode_refused"       // one side wants transport mode, the other a tunnel
	AddressTaken      Code = "address_taken"      // two transport mode peers behind one NAT
	AHBehindNAT       Code = "ah_behind_nat"      // AH covers the addresses that a NAT changes
	PathRefused       Code = "path_refused"       // the peer takes nothing from our new address
	BadMessage        Code = "bad_message"        // malformed or out of order
	DeletedByPeer     Code = "deleted_by_peer"    // INFORMATIONAL Delete
	ClosedHere        Code = "closed_here"        // admin, shutdown or a changed configuration
	Replaced          Code = "replaced"           // a newer IKE SA of the same peer took over
	ResolveFailed     Code = "resolve_failed"     // the peer's name has no address
	InternalError     Code = "internal_error"     // the data plane or the random source failed
	PeerError         Code = "peer_error"         // any other error notify of the peer
	UnsupportedMethod Code = "unsupported_method" // the peer authenticates in a way that is not this connection's

	// Certificates. Got is the one that failed, Sent what would have been right.
	CertificateMissing   Code = "certificate_missing"   // the peer sent none
	CertificateExpired   Code = "certificate_expired"   // or is not valid yet: the clock is in Detail
	CertificateUntrusted Code = "certificate_untrusted" // of another authority, or not the pinned one
	CertificateRevoked   Code = "certificate_revoked"   // by us
	CertificateName      Code = "certificate_name"      // the identity is none of its names
	CertificateUnfit     Code = "certificate_unfit"     // its key or its usage does not allow this
	BadSignature         Code = "bad_signature"         // AUTH is not of the certificate's key

	PPKMissing Code = "ppk_missing" // the peer has no post-quantum preshared key, or another one
)

// Reason is a failure with the facts a person needs.
type Reason struct {
	Code Code
	// ByPeer says that the other side refused; otherwise we did.
	ByPeer bool
	// Sent and Got hold both sides of a mismatch (proposals, identities,
	// selectors), empty where there is none. Never a secret.
	Sent, Got []string
	// Detail is the technical rest ("IKE_AUTH, notify 24").
	Detail string
}

// Error makes a Reason usable as an error.
func (r Reason) Error() string {
	who := "this side"
	if r.ByPeer {
		who = "the peer"
	}
	if r.Detail == "" {
		return fmt.Sprintf("%s (%s)", r.Code, who)
	}
	return fmt.Sprintf("%s (%s): %s", r.Code, who, r.Detail)
}
