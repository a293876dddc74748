package ike

import (
	"encoding/binary"
	"io"
	"net/netip"
	"time"

	"gatehouse/ipsec/auth"
	"gatehouse/ipsec/crypto"
	"gatehouse/ipsec/sad"
	"gatehouse/ipsec/wire"
)

// SA is one IKE SA, through its rekeyings, with its child SAs.
type SA struct {
	env       Env
	peer      Peer
	initiator bool // of the first exchange; rekeying may swap the roles
	state     State

	local, remote netip.AddrPort
	nat           bool // ESP goes in UDP
	behind        bool // a NAT is in front of us, not only said to be before the peer
	fragments     bool // both sides can cut messages
	paths         paths
	lastSeen      time.Time

	start handshake
	// cur carries new requests; old is a rekeyed generation until it is
	// deleted. spare is what the peer made by a rekey of its own while ours was
	// under way: which of both counts is not known yet, or it is the one that does
	// not, until it is deleted.
	cur, old, spare *generation
	wants           []*wanted
	children        []*child
	queue           []task

	rekeyAt     time.Time // of the IKE SA
	expireAt    time.Time // half-open, refused
	oldExpireAt time.Time // of old and of spare
	closeReason Reason

	// inside is what was sealed in the message that this Step opened.
	inside struct {
		first wire.PayloadType
		plain []byte
	}

	// now and out live for one Step.
	now time.Time
	out []Effect
}

// handshake is what the first two exchanges need; it is dropped after them.
type handshake struct {
	suites   []crypto.Suite
	kx       crypto.KeyExchange
	group    crypto.GroupID
	ni, nr   []byte
	cookie   []byte
	request  []byte // IKE_SA_INIT as it was on the wire
	response []byte
	retries  int
	childSPI sad.SPI
	hashes   []auth.HashID // that the peer verifies signatures of
	// intermediate is about exchanges before IKE_AUTH, authID the message ID of
	// that.
	intermediate intermediate
	authID       uint32
	// peerPPK says that the peer has a PPK, mixed that the keys have it in them;
	// without are those that do not.
	peerPPK, mixed bool
	without        crypto.IKEKeys
	pending        *request
}

// NewInitiator starts an IKE SA to peer. local and remote have port 500.
func NewInitiator(env Env, peer Peer, local, remote netip.AddrPort, now time.Time) (*SA, []Effect, error) {
	sa := &SA{env: env, initiator: true, local: local, remote: remote, now: now, lastSeen: now}
	sa.serve(peer)
	spi, err := newSPI(env.Rand)
	if err != nil {
		return nil, nil, err
	}
	sa.cur = &generation{spii: spi, initiator: true}
	sa.start.suites = peer.IKE
	sa.start.group = peer.IKE[0].Group
	if err := sa.sendInit(); err != nil {
		return nil, nil, err
	}
	sa.move(StateInitSent)
	return sa, sa.flush(), nil
}

// NewResponder waits for an IKE_SA_INIT request.
func NewResponder(env Env, now time.Time) (*SA, error) {
	spi, err := newSPI(env.Rand)
	if err != nil {
		return nil, err
	}
	return &SA{
		env: env, now: now, lastSeen: now, expireAt: now.Add(halfOpenLife),
		cur: &generation{spir: spi},
	}, nil
}

// newSPI is a random IKE SPI, never zero (RFC 7296 section 3.1).
func newSPI(rand io.Reader) (uint64, error) {
	var b [8]byte
	for range 4 {
		if _, err := io.ReadFull(rand, b[:]); err != nil {
			return 0, Reason{Code: InternalError, Detail: "random source: " + err.Error()}
		}
		if spi := binary.BigEndian.Uint64(b[:]); spi != 0 {
			return spi, nil
		}
	}
	return 0, Reason{Code: InternalError, Detail: "the random source gives only zeros"}
}

func (sa *SA) random(n int) []byte {
	b := make([]byte, n)
	if _, err := io.ReadFull(sa.env.Rand, b); err != nil {
		sa.fail(Reason{Code: InternalError, Detail: "random source: " + err.Error()})
	}
	return b
}

// State tells where the IKE SA stands.
func (sa *SA) State() State { return sa.state }

// Established says whether both sides are authenticated.
func (sa *SA) Established() bool { return sa.state == StateEstablished }

// Initiator says whether this side started the IKE SA.
func (sa *SA) Initiator() bool { return sa.initiator }

// PeerName is the connection's name, empty while it is unknown.
func (sa *SA) PeerName() string { return sa.peer.Name }

// LocalSPIs are our SPIs by which messages for this IKE SA can come.
func (sa *SA) LocalSPIs() []uint64 {
	var spis []uint64
	for _, g := range sa.generations() {
		spis = append(spis, g.localSPI())
	}
	return spis
}

// generations are those by which messages can come.
func (sa *SA) generations() []*generation {
	out := []*generation{sa.cur}
	for _, g := range []*generation{sa.old, sa.spare} {
		if g != nil {
			out = append(out, g)
		}
	}
	return out
}

// Step gives the IKE SA one input and returns what must be carried out, in
// order.
func (sa *SA) Step(now time.Time, in Input) []Effect {
	if sa.state == StateClosed {
		return nil
	}
	sa.now = now
	switch in := in.(type) {
	case Datagram:
		sa.receive(in)
	case Tick:
		sa.tick()
	case Command:
		sa.command(in)
	case PlaneEvent:
		sa.planeEvent(in.Event)
	case Acquire:
		sa.acquire(in)
	case Relocate:
		sa.relocate(in.Local)
	case Traffic:
		if in.Last.After(sa.lastSeen) {
			sa.lastSeen = in.Last
		}
	}
	sa.pump()
	return sa.flush()
}

// flush ends a step: Closed is always the last effect.
func (sa *SA) flush() []Effect {
	out := sa.out
	sa.out = nil
	sa.inside.plain = nil
	if sa.state == StateClosed {
		for _, c := range sa.children {
			out = append(out, c.removals()...)
		}
		sa.children = nil
		sa.start = handshake{}
		out = append(out, Closed{Peer: sa.peer.Name, Reason: sa.closeReason})
	}
	return out
}

func (sa *SA) emit(e Effect) { sa.out = append(sa.out, e) }

// fail ends the IKE SA at once, telling nobody.
func (sa *SA) fail(r Reason) {
	if sa.state == StateClosed {
		return
	}
	sa.closeReason = r
	sa.move(StateClosed)
}

// problem reports a failure that the IKE SA survives.
func (sa *SA) problem(r Reason) { sa.emit(Problem{Peer: sa.peer.Name, Reason: r}) }

func (sa *SA) command(c Command) {
	switch c {
	case Close:
		sa.close(Reason{Code: ClosedHere})
	case RekeyChild:
		for _, ch := range sa.children {
			ch.rekeyAt = sa.now
		}
		sa.tick()
	case Probe:
		if sa.state == StateEstablished {
			sa.want(task{kind: taskProbe})
		}
	}
}

// close ends the IKE SA, telling the peer if it knows us.
func (sa *SA) close(r Reason) {
	switch sa.state {
	case StateEstablished:
		sa.closeReason = r
		sa.move(StateClosing)
		// What waits is pointless now, and what is on its way must not hold
		// up the goodbye: a lost answer would delay it by all retransmits. It goes
		// once more, because a peer that has not seen it takes no later one.
		sa.queue = []task{{kind: taskDeleteIKE}}
		if p := sa.cur.pending; p != nil {
			sa.sendAll(sa.local, sa.remote, p.raws)
		}
		sa.cur.pending = nil
	case StateClosing:
	default:
		sa.fail(r)
	}
}

func (sa *SA) planeEvent(ev sad.Event) {
	for _, c := range sa.children {
		switch {
		case ev.Kind == sad.FirstInbound && c.in == ev.SA.SPI:
			sa.activate(c)
		case ev.Kind == sad.Exhausted && c.out == ev.SA.SPI:
			c.rekeyAt = sa.now
			sa.tick()
		}
	}
}

// receive sorts a datagram: IKE_SA_INIT, else by SPI to its generation.
func (sa *SA) receive(d Datagram) {
	h, err := wire.ParseHeader(d.Data)
	if err != nil {
		return
	}
	if h.Major != 2 {
		if h.Major > 2 && !h.Response() && sa.state == StateIdle {
			sa.replyMajorVersion(d, h)
		}
		return
	}
	if h.Exchange == wire.IKESAInit {
		if h.MessageID != 0 {
			return
		}
		if h.Response() {
			sa.initResponse(d, h)
		} else {
			sa.initRequest(d, h)
		}
		return
	}
	for _, g := range sa.generations() {
		if g.open != nil && g.spii == h.SPIi && g.spir == h.SPIr && g.initiator != h.FromInitiator() {
			sa.receiveSealed(g, d, h)
			return
		}
	}
}
