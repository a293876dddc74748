package ike

import (
	"encoding/binary"
	"slices"
	"time"

	"gatehouse/ipsec/crypto"
	"gatehouse/ipsec/wire"
)

// taskKind names what we want of the peer.
type taskKind uint8

const (
	taskNone taskKind = iota
	taskRekeyChild
	taskNewChild
	taskRekeyIKE
	taskDeleteChild
	taskDeleteIKE
	taskProbe
	taskUpdate
)

// task is a request that waits for its turn: one may be outstanding (RFC 7296
// section 2.3).
type task struct {
	kind   taskKind
	child  *child
	want   *wanted
	group  crypto.GroupID  // that the peer asked for
	notify wire.NotifyType // to say beside a Delete
	tries  int
	say    []wire.Payload // beside what the task says
}

// want queues a task.
func (sa *SA) want(t task) {
	if t.kind == taskRekeyChild && t.child != nil {
		t.child.busy = true
	}
	sa.queue = append(sa.queue, t)
}

// pump starts the next task when nothing is outstanding.
func (sa *SA) pump() {
	if sa.state == StateEstablished && sa.initiator && len(sa.queue) == 0 && sa.cur.pending == nil {
		for _, w := range sa.wants {
			if w.once && !sa.hasChild(w) {
				// Only another IKE_AUTH can make another: an interruption each lifetime is
				// better than none that ends.
				sa.close(sa.pfsDiffers(w, nil, true))
				break
			}
			if w.at.IsZero() && !sa.hasChild(w) {
				// However the last pair was lost, one side asks for another; if both
				// did there would be two.
				w.at = sa.now.Add(busyRetry)
			}
		}
	}
	for len(sa.queue) > 0 && sa.cur.pending == nil && (sa.state == StateEstablished || sa.state == StateClosing) {
		t := sa.queue[0]
		sa.queue = sa.queue[1:]
		switch t.kind {
		case taskRekeyChild:
			if t.child.leaving || !slices.Contains(sa.children, t.child) {
				continue
			}
			sa.askChild(t)
		case taskNewChild:
			if sa.hasChild(t.want) {
				continue
			}
			sa.askChild(t)
		case taskRekeyIKE:
			if sa.old != nil || sa.spare != nil {
				sa.rekeyAt = sa.now.Add(busyRetry)
				continue
			}
			sa.askRekeyIKE(t)
		case taskDeleteChild:
			sa.ask(sa.cur, wire.Informational, []wire.Payload{&wire.Delete{Protocol: protocolOf(t.child.inSA.Protocol),
				SPIs: [][]byte{binary.BigEndian.AppendUint32(nil, uint32(t.child.in))}}}, request{task: t})
		case taskDeleteIKE:
			ps := []wire.Payload{&wire.Delete{Protocol: wire.ProtocolIKE}}
			if t.notify != 0 {
				ps = append(notifyOnly(t.notify, nil), ps...)
			}
			sa.ask(sa.cur, wire.Informational, ps, request{task: t})
		case taskProbe:
			sa.ask(sa.cur, wire.Informational, t.say, request{task: t})
		case taskUpdate:
			sa.askUpdate(t)
		}
	}
}

// timer is one thing that happens by itself.
type timer struct {
	at   time.Time
	fire func()
}

// timers lists what is due when. Zero times never come.
func (sa *SA) timers() []timer {
	var ts []timer
	if p := sa.start.pending; p != nil {
		ts = append(ts, timer{p.next, func() { sa.retransmit(nil, p) }})
	}
	for _, g := range sa.generations() {
		if g.pending != nil {
			ts = append(ts, timer{g.pending.next, func() { sa.retransmit(g, g.pending) }})
		}
	}
	if sa.state != StateEstablished && sa.state != StateClosing {
		return append(ts, timer{sa.expireAt, sa.expired})
	}
	if sa.old != nil || sa.spare != nil {
		ts = append(ts, timer{sa.oldExpireAt, sa.forgetOld})
	}
	for _, c := range sa.children {
		ts = append(ts, timer{c.removeAt, func() { sa.childGone(c) }})
	}
	if sa.state == StateClosing {
		return ts
	}
	ts = append(ts, timer{sa.rekeyAt, sa.rekeyIKEDue})
	for _, w := range sa.wants {
		ts = append(ts, timer{w.at, func() {
			w.at = time.Time{}
			sa.want(task{kind: taskNewChild, want: w})
		}})
	}
	if sa.cur.pending == nil && sa.peer.DPD > 0 {
		ts = append(ts, timer{sa.lastSeen.Add(sa.peer.DPD), func() {
			if len(sa.queue) == 0 {
				sa.want(task{kind: taskProbe})
			}
		}})
	}
	for _, c := range sa.children {
		if c.leaving {
			continue
		}
		ts = append(ts, timer{c.expireAt, func() { sa.childExpired(c) }})
		// One that does not send yet may be unknown to the peer: our answer can be lost.
		if c.active && !c.busy && !sa.isReplaced(c) {
			ts = append(ts, timer{c.rekeyAt, func() { sa.want(task{kind: taskRekeyChild, child: c}) }})
		}
	}
	return ts
}

// isReplaced says whether a newer child stands ready.
func (sa *SA) isReplaced(c *child) bool {
	return slices.ContainsFunc(sa.children, func(n *child) bool { return n.replaces == c && !n.leaving })
}

// Deadline is when Step wants a Tick; zero means never.
func (sa *SA) Deadline() time.Time {
	if sa.state == StateClosed {
		return time.Time{}
	}
	var next time.Time
	for _, t := range sa.timers() {
		if !t.at.IsZero() && (next.IsZero() || t.at.Before(next)) {
			next = t.at
		}
	}
	return next
}

// tick fires what is due. Each timer moves or removes itself by what it does.
func (sa *SA) tick() {
	for _, t := range sa.timers() {
		if sa.state == StateClosed {
			return
		}
		if !t.at.IsZero() && !t.at.After(sa.now) {
			t.fire()
		}
	}
}

// retransmit sends a request again, or gives up. g is nil for IKE_SA_INIT.
func (sa *SA) retransmit(g *generation, r *request) {
	if r == nil {
		return
	}
	if g == sa.cur && sa.state == StateEstablished && r.tries >= elsewhereAfter && sa.tryElsewhere() {
		return
	}
	if r.tries < maxTries {
		sa.transmit(r)
		return
	}
	switch {
	case g == nil:
		sa.fail(Reason{Code: NoAnswer, Detail: "IKE_SA_INIT to " + sa.remote.String()})
	case g == sa.old || g == sa.spare:
		sa.generationDeleted(g)
	case sa.state == StateClosing:
		sa.fail(sa.closeReason)
	case r.exchange == wire.IKEIntermediate:
		sa.fail(Reason{Code: NoAuthAnswer, Detail: "IKE_INTERMEDIATE to " + sa.remote.String()})
	case r.exchange == wire.IKEAuth:
		sa.fail(Reason{Code: NoAuthAnswer, Detail: "IKE_AUTH to " + sa.remote.String()})
	default:
		sa.fail(Reason{Code: PeerDead, Detail: r.exchange.String() + " to " + sa.remote.String()})
	}
}

func (sa *SA) expired() {
	why := sa.closeReason
	if sa.state != StateRefused {
		why = Reason{Code: NoAuthAnswer, Detail: "the caller did not go on"}
	}
	sa.fail(why)
}

func (sa *SA) rekeyIKEDue() {
	sa.rekeyAt = sa.now.Add(sa.peer.IKELifetime)
	sa.want(task{kind: taskRekeyIKE})
}

// childGone ends what a replaced inbound half was kept for.
func (sa *SA) childGone(c *child) {
	if sa.deleting(c) {
		c.removeAt = sa.now.Add(oldInbound)
		return
	}
	sa.drop(c)
}

// childExpired is the hard end of a child that could not be replaced.
func (sa *SA) childExpired(c *child) {
	sa.deleteChild(c)
}
