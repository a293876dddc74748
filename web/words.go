package web

import (
	"fmt"

	"gatehouse/store"
)

// words is how a tunnel's state is shown: a word, a shape and a colour class.
type words struct{ Word, Shape, Class string }

func stateWords(s TunnelState) words {
	switch s {
	case TunnelUp:
		return words{"Connected", "●", "ok"}
	case TunnelConnecting:
		return words{"Connecting", "◐", "warn"}
	case TunnelWaiting:
		return words{"Waiting for a call", "○", "muted"}
	case TunnelDown:
		return words{"Down", "▲", "bad"}
	case TunnelOff:
		return words{"Switched off", "–", "muted"}
	}
	return words{string(s), "?", "muted"}
}

// revisionWords is how a revision's state is shown.
func revisionWords(s store.RevisionState) words {
	switch s {
	case store.RevisionConfirmed:
		return words{"In force", "●", "ok"}
	case store.RevisionApplied:
		return words{"On trial", "◐", "warn"}
	case store.RevisionReverted:
		return words{"Taken back", "▲", "bad"}
	case store.RevisionSuperseded:
		return words{"Replaced", "○", "muted"}
	}
	return words{string(s), "?", "muted"}
}

// explanation is what a page says about a problem and what to do next. %s is
// the branch.
type explanation struct{ ours, byPeer, next string }

// explanations has every code of ipsec/ike.
var explanations = map[string]explanation{
	"no_answer": {
		ours: "%s did not answer. It may be offline, or UDP 500 and 4500 are blocked on the way.",
		next: "Check that the other side is switched on and that its address is right."},
	"no_auth_answer": {
		ours: "%s answered, then fell silent. Large packets seem to be lost on the way.",
		next: "Check the MTU of both internet lines."},
	"peer_dead": {
		ours: "%s stopped answering.",
		next: "Nothing to do if its line is down: the tunnel comes back by itself."},
	"no_proposal": {
		ours:   "%s offers no encryption that this side accepts.",
		byPeer: "%s accepts none of the encryption that this side offers.",
		next:   "Choose the same proposals on both sides."},
	"wrong_key": {
		ours: "%s uses another shared key.",
		next: "Enter the same shared key on both sides."},
	"rejected_by_peer": {
		ours: "%s did not accept this side: most often the shared key differs.",
		next: "Enter the same shared key on both sides, and compare the identities."},
	"unknown_peer": {
		ours: "Somebody called who is no branch of this gateway.",
		next: "Compare the identity that the other side sends with the one entered here."},
	"wrong_identity": {
		ours: "%s gave another name than the one entered here.",
		next: "Change the remote identity here, or the local identity on the other side."},
	"selectors_refused": {
		ours:   "%s wants to join other networks than those entered here.",
		byPeer: "%s does not accept the networks entered here.",
		next:   "Our networks here must be their remote networks there, and the other way round."},
	"bad_message": {
		ours: "%s sent something that cannot be understood.",
		next: "Reconnect. If it happens again, update the other side's software."},
	"deleted_by_peer": {
		ours: "%s closed the tunnel.",
		next: "It comes back when the other side wants it."},
	"closed_here": {
		ours: "The tunnel to %s was closed on this side.",
		next: "Reconnect if it should be up."},
	"replaced": {
		ours: "%s connected anew.",
		next: "Nothing to do."},
	"resolve_failed": {
		ours: "The name of %s has no address.",
		next: "Check the name, and that this gateway's DNS works."},
	"internal_error": {
		ours: "This gateway could not carry out its part for %s.",
		next: "See the gateway's log."},
	"peer_error": {
		ours: "%s reported an error.",
		next: "See the log of the other side."},
	"pfs_differs": {
		ours:   "The tunnel to %s is up, but its keys cannot be renewed: perfect forward secrecy is set differently.",
		byPeer: "The tunnel to %s is up, but its keys cannot be renewed: perfect forward secrecy is set differently there.",
		next:   "Choose ESP proposals with the same group at their end on both sides, or without one on both."},
	"ah_behind_nat": {
		ours: "Traffic with %s is set to AH, which cannot pass the address translation in front of this gateway.",
		next: "Choose esp for this child on both sides."},
	"path_refused": {
		byPeer: "%s does not take the tunnel from this side's new address.",
		ours:   "%s does not take the tunnel from this side's new address.",
		next:   "The tunnel is built anew from there; see which addresses the other side accepts."},
	"mode_refused": {
		ours:   "%s asks for a tunnel where transport mode is wanted.",
		byPeer: "%s has no transport mode for this.",
		next:   "Choose the same mode on both sides."},
	"address_taken": {
		ours: "%s shares its public address with another peer in transport mode: their packets could not be told apart.",
		next: "Use tunnel mode for peers behind the same router."},
	"unsupported_method": {
		ours: "%s proves itself in another way than the one entered here: by a shared key or by a certificate.",
		next: "Choose the same on both sides."},
	"certificate_missing": {
		ours: "%s sent no certificate.",
		next: "Give the other side a certificate, or enter a shared key on both sides."},
	"certificate_expired": {
		ours:   "The certificate of %s has expired or is not valid yet.",
		byPeer: "%s did not accept this side: our own certificate has expired or is not valid yet.",
		next:   "Compare the dates with the clock below. If the clock is wrong, set it; otherwise renew the certificate."},
	"certificate_untrusted": {
		ours: "The certificate of %s is not of the authority entered here, or not the very one.",
		next: "Compare who issued it with the authority of this branch. If an intermediate is missing, the other side must send it."},
	"certificate_revoked": {
		ours: "The certificate of %s was revoked here.",
		next: "Give the other side a new certificate."},
	"certificate_name": {
		ours: "The certificate of %s does not have the name that the other side calls itself by.",
		next: "That name must be a subject alternative name of the certificate. Issue it anew, or change the identity on the other side."},
	"certificate_unfit": {
		ours: "A certificate of the tunnel to %s may not, or cannot, be used for it.",
		next: "See what is said of its key and its usage below."},
	"ppk_missing": {
		ours: "%s does not have the post-quantum key that this tunnel needs, or names another one.",
		next: "Enter the same key and the same name for it on both sides."},
	"bad_signature": {
		ours: "%s could not prove that its certificate is its own.",
		next: "Compare certificate and key on the other side."},
}

// sentence tells a problem to a person.
func sentence(branch string, p *Problem) string {
	e, ok := explanations[p.Code]
	if !ok {
		return fmt.Sprintf("The tunnel to %s failed (%s).", branch, p.Code)
	}
	text := e.ours
	if p.ByPeer && e.byPeer != "" {
		text = e.byPeer
	}
	if p.Code == "unknown_peer" {
		return text
	}
	return fmt.Sprintf(text, branch)
}

// nextStep is what to do about a problem.
func nextStep(p *Problem) string {
	if e, ok := explanations[p.Code]; ok {
		return e.next
	}
	return "See the gateway's log."
}
