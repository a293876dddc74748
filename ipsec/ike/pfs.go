package ike

import (
	"slices"
	"time"

	"gatehouse/ipsec/crypto"
	"gatehouse/ipsec/wire"
)

// A child that is made in IKE_AUTH has no key exchange of its own, so it comes up
// even if the sides disagree on perfect forward secrecy, and fails at its first
// rekey, an hour later (RFC 7296 section 1.2). So we rekey once, right after.

// pfsTest is when that first rekey comes. By then both sides have carried their
// first packets.
const pfsTest = 3 * time.Second

// testPFS brings the first rekey of a child forward, if the first real one is
// far. Only who called does so: both at once would meet.
func (sa *SA) testPFS(c *child) {
	if at := sa.now.Add(pfsTest); c.rekeyAt.After(at.Add(time.Minute)) {
		c.rekeyAt = at
	}
}

// pfsDiffers tells which groups each side wants. offer is nil if the peer only
// said no.
func (sa *SA) pfsDiffers(w *wanted, offer *wire.SA, byPeer bool) Reason {
	r := Reason{Code: PFSDiffers, ByPeer: byPeer, Detail: "the first rekey of " + w.Name}
	for _, s := range sa.peer.suites(&w.Child) {
		if name := s.Group.String(); !slices.Contains(r.Sent, name) {
			r.Sent = append(r.Sent, name)
		}
	}
	if offer == nil {
		return r
	}
	for _, p := range offer.Proposals {
		for _, id := range ids(p, wire.TransformGroup) {
			if name := crypto.GroupID(id).String(); !slices.Contains(r.Got, name) {
				r.Got = append(r.Got, name)
			}
		}
	}
	if len(r.Got) == 0 {
		r.Got = []string{crypto.GroupNone.String()}
	}
	return r
}
