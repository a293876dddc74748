package ike

import "fmt"

// State is where an IKE SA stands.
//
//	initiator                                  responder
//
//	 Idle ── HDR, SAi1, KEi, Ni ──────────────────▶ Idle
//	 InitSent                                      (again after COOKIE or INVALID_KE_PAYLOAD)
//	      ◀────────── HDR, SAr1, KEr, Nr ────────── InitDone
//	 Intermediate ── HDR, SK {KEi(1)} ────────────▶ (only with an additional
//	      ◀────────────────── HDR, SK {KEr(1)} ──── InitDone  key exchange)
//	 AuthSent ── HDR, SK {IDi, AUTH, SAi2, TS} ───▶
//	      ◀────── HDR, SK {IDr, AUTH, SAr2, TS} ─── Established
//	 Established
//	      ◀─ CREATE_CHILD_SA, INFORMATIONAL, either way ─▶
//	 Closing ── HDR, SK {D} ──────────────────────▶
//	      ◀────────────────────────── HDR, SK {} ── Closed
//	 Closed
//
// Refused is a responder that said no to IKE_AUTH and still answers
// retransmits of it for a while.
type State uint8

// The states.
const (
	StateIdle State = iota
	StateInitSent
	StateInitDone
	StateIntermediate
	StateAuthSent
	StateEstablished
	StateRefused
	StateClosing
	StateClosed
)

var stateNames = [...]string{"idle", "init-sent", "init-done", "intermediate", "auth-sent", "established", "refused", "closing", "closed"}

func (s State) String() string {
	if int(s) < len(stateNames) {
		return stateNames[s]
	}
	return fmt.Sprintf("state %d", uint8(s))
}

// transitions are all legal moves.
var transitions = map[State][]State{
	StateIdle:         {StateInitSent, StateInitDone, StateClosed},
	StateInitSent:     {StateInitSent, StateIntermediate, StateAuthSent, StateClosed},
	StateInitDone:     {StateEstablished, StateRefused, StateClosed},
	StateIntermediate: {StateAuthSent, StateClosed},
	StateAuthSent:     {StateEstablished, StateClosing, StateClosed},
	StateEstablished:  {StateClosing, StateClosed},
	StateRefused:      {StateClosed},
	StateClosing:      {StateClosed},
}

// move changes the state; it is the only place that does. An illegal move is a
// bug of ours, and the safe end of it is a closed IKE SA.
func (sa *SA) move(to State) {
	for _, legal := range transitions[sa.state] {
		if legal == to {
			sa.state = to
			return
		}
	}
	sa.closeReason = Reason{Code: InternalError, Detail: fmt.Sprintf("illegal move from %s to %s", sa.state, to)}
	sa.state = StateClosed
}
