package ike

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"time"

	"gatehouse/ipsec/crypto"
	"gatehouse/ipsec/sad"
)

// wanted is a configured child and when to ask the peer for it (again); zero is
// not now.
type wanted struct {
	Child
	at time.Time
	// once says that the sides disagree on its forward secrecy: the pair of IKE_AUTH
	// is all that it gets in this IKE SA.
	once bool
	// trigger is the packet that wants the child, both zero if none does.
	trigger struct{ local, remote sad.Selector }
}

// child is one pair of SAs, of ESP or AH.
type child struct {
	want      *wanted
	in, out   sad.SPI
	suite     crypto.Suite
	inSA      sad.SA
	outSA     sad.SA
	installed bool // inbound
	active    bool // outbound too
	// lowestNonce of the exchange that made it decides collisions (section
	// 2.8.1).
	lowestNonce []byte
	// replaces is the child that this one took over from.
	replaces *child
	// rival was made by the peer while our own rekey of this child was under
	// way.
	rival *child
	// untested says that it was made in IKE_AUTH, so that nobody knows yet
	// whether the sides agree on perfect forward secrecy.
	untested bool

	rekeyAt, expireAt time.Time
	busy              bool // a task about it waits or runs
	// leaving says that it is being deleted; its inbound half may live on
	// until removeAt.
	leaving  bool
	removeAt time.Time
}

// serve takes a peer's configuration, once it is known.
func (sa *SA) serve(p Peer) {
	sa.peer, sa.wants = p, nil
	for _, c := range p.Children {
		sa.wants = append(sa.wants, &wanted{Child: c})
	}
}

// hasChild says whether a pair is there, or about, to carry the traffic of one
// configured child.
func (sa *SA) hasChild(w *wanted) bool {
	return slices.ContainsFunc(sa.children, func(c *child) bool { return c.want == w && !c.leaving })
}

// maxPairs bounds the pairs a peer may open in one IKE SA, those that are being
// replaced included.
func (sa *SA) maxPairs() int { return maxChildren * max(1, len(sa.wants)) }

// expireMargin is how long the data plane may keep a child SA that nobody removes at
// its end: it outlives this process where the kernel carries it.
const expireMargin = time.Minute

// sooner is about nine tenths of a lifetime, so that a replacement is ready
// in time, and jittered so that both sides seldom begin at once.
func sooner(life time.Duration) time.Duration {
	tenth := life / 10
	return life - tenth - rand.N(tenth/2+1)
}

// install puts the inbound half in place.
func (sa *SA) install(c *child) {
	sa.children = append(sa.children, c)
	c.installed = true
	sa.emit(Install{SA: c.inSA})
}

// activate puts the outbound half in place: from now on traffic leaves by c.
func (sa *SA) activate(c *child) {
	if c.active || c.leaving || !c.installed {
		return
	}
	c.active = true
	sa.emit(Install{SA: c.outSA})
	up := ChildUp{Peer: sa.peer.Name, Child: c.want.Name, In: c.in, Out: c.out, Protocol: c.want.Protocol, Mode: c.inSA.Mode,
		Suite: c.suite, ESN: c.inSA.ESN, LocalTS: c.inSA.LocalTS, RemoteTS: c.inSA.RemoteTS}
	if c.replaces != nil {
		up.Replaces = c.replaces.in
	}
	sa.emit(up)
	c.want.at = time.Time{}
}

// removals take both halves out of the data plane.
func (c *child) removals() []Effect {
	var out []Effect
	if c.active {
		out = append(out, c.remove(sad.Out))
	}
	if c.installed {
		out = append(out, c.remove(sad.In))
	}
	return out
}

func (c *child) remove(d sad.Direction) Remove {
	spi := c.in
	if d == sad.Out {
		spi = c.out
	}
	return Remove{SPI: spi, Protocol: c.inSA.Protocol, Direction: d}
}

// retire stops sending by a child and lets its inbound half live on for what
// is still on its way.
func (sa *SA) retire(c *child) {
	if c.active {
		c.active = false
		sa.emit(c.remove(sad.Out))
	}
	c.leaving = true
	if c.removeAt.IsZero() {
		c.removeAt = sa.now.Add(oldInbound)
	}
}

// drop forgets a child for good.
func (sa *SA) drop(c *child) {
	for i, held := range sa.children {
		if held != c {
			continue
		}
		sa.children = append(sa.children[:i:i], sa.children[i+1:]...)
		sa.out = append(sa.out, c.removals()...)
		sa.emit(ChildDown{Peer: sa.peer.Name, Child: c.want.Name, In: c.in})
		break
	}
	// A replacement must not keep the whole chain of its ancestors in memory.
	for _, held := range sa.children {
		if held.replaces == c {
			sa.activate(held) // if the peer never used or deleted anything
			held.replaces = nil
		}
		if held.rival == c {
			held.rival = nil
		}
	}
}

// childByOut finds a child by the SPI that the peer uses for its own inbound,
// which is our outbound one.
func (sa *SA) childByOut(protocol sad.Protocol, spi sad.SPI) *child {
	for _, c := range sa.children {
		if c.out == spi && c.inSA.Protocol == protocol {
			return c
		}
	}
	return nil
}

// lowest is the lower of two nonces.
func lowest(a, b []byte) []byte {
	if bytes.Compare(b, a) < 0 {
		return b
	}
	return a
}
