package esp

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"

	"gatehouse/ipsec/crypto"
	"gatehouse/ipsec/sad"
)

// FuzzTheSPDIsObeyed makes a security policy database of the input, and packets
// for it in both directions, and compares what passes with the database read by
// the book (spd_book_test.go). One sender and one receiver carry them all, so that
// their caches meet changes of the database and of SAs. Inbound packets are
// genuine and come by any SA, whatever is inside: the peer is who cheats.
func FuzzTheSPDIsObeyed(f *testing.F) {
	for seed := range uint64(8) {
		f.Add(randomInput(seed))
	}
	peers := cheats(f)
	f.Fuzz(func(t *testing.T, input []byte) { play(t, input, peers) })
}

// The same for inputs at random; there must be packets of every kind among them.
func TestTheSPDIsObeyed(t *testing.T) {
	var passed, refused [2]int
	peers := cheats(t)
	for seed := range uint64(300) {
		w := play(t, randomInput(seed), peers)
		for way := range passed {
			passed[way] += w.passed[way]
			refused[way] += w.refused[way]
		}
	}
	for way, name := range []string{"inbound", "outbound"} {
		if passed[way] < 100 || refused[way] < 1000 {
			t.Errorf("%s %d packets passed and %d were refused", name, passed[way], refused[way])
		}
	}
}

func randomInput(seed uint64) []byte {
	input := make([]byte, 2000)
	random := rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8)})
	random.Read(input)
	return input
}

// play makes a world of the input and lets things happen in it.
func play(t *testing.T, input []byte, peers []*Engine) *world {
	in := &dice{input}
	w := newWorld(t, in, peers)
	// A few, so that they meet the caches.
	var packets [6]booked
	for i := range packets {
		packets[i] = in.packet()
	}
	for range 60 {
		switch in.below(16) {
		case 0:
			w.change(t, in)
		case 1:
			w.remove(t, in)
		case 2, 3, 4, 5, 6, 7, 8:
			w.send(t, packets[in.below(len(packets))])
		default:
			b := packets[in.below(len(packets))]
			i := in.below(mostSAs)
			// By chance alone hardly any packet would come by its own SA.
			if _, by := bookSays(w.policies, w.sas, b, false); by > 0 && by <= mostSAs && in.below(2) == 0 {
				i = int(by - 1)
			}
			w.receive(t, b, i)
		}
	}
	return w
}

// dice are small numbers from the input; all are zero at its end.
type dice struct{ rest []byte }

func (d *dice) below(n int) int {
	if len(d.rest) == 0 {
		return 0
	}
	v := int(d.rest[0])
	d.rest = d.rest[1:]
	return v % n
}

func choose[T any](d *dice, from ...T) T { return from[d.below(len(from))] }

// mostSAs is how many policies have SAs, at most.
const mostSAs = 5

// ours is the SA of a policy, seen from the gateway, in one direction.
func ours(i int) sad.SA {
	suite := [...]string{"aes128gcm16", "aes256gcm16"}[i%2]
	sa := sad.SA{
		SPI: 0x1000 + sad.SPI(i), Protocol: sad.ESP, Policy: uint32(i + 1), Encap: &sad.Encap{LocalPort: 4500, RemotePort: 4500},
		Local: netip.MustParseAddr("192.0.2.2"), Remote: from.Addr(), LocalTS: everything(), RemoteTS: everything(),
	}
	sa.Suite = parsed(suite)
	size, _ := crypto.ChildKeySizes(sa.Suite)
	sa.EncryptionKey = bytes.Repeat([]byte{byte(i)}, size)
	return sa
}

// cheats are peers that send anything by the SAs of the policies.
func cheats(t testing.TB) (peers []*Engine) {
	for i := range mostSAs {
		sa := ours(i)
		sa.Local, sa.Remote, sa.ReplayWindow = sa.Remote, sa.Local, 64
		peer, _, _, _ := joined(t, sa)
		peers = append(peers, peer)
	}
	return peers
}

// world is a gateway, and what is known of it by the book.
type world struct {
	e        *Engine
	peers    []*Engine
	s        *sender
	r        *receiver
	policies []sad.Policy
	sas      map[uint32]sad.SA // by policy; in both directions the same but for who is who
	out      map[uint32]bool   // is there still an outbound SA?
	// How many packets passed and were refused, inbound and outbound.
	passed, refused [2]int
}

func newWorld(t *testing.T, in *dice, peers []*Engine) *world {
	e := unplugged()
	w := &world{e: e, peers: peers, s: &sender{e: e}, r: e.newReceiver(1, laneUDP4), sas: map[uint32]sad.SA{}, out: map[uint32]bool{}}
	w.change(t, in)
	for i := range min(len(w.policies), mostSAs) {
		sa := ours(i)
		sa.LocalTS, sa.RemoteTS = in.narrowed(w.policies[i])
		w.sas[sa.Policy], w.out[sa.Policy] = sa, true
		inbound := sa
		inbound.ReplayWindow = 64
		sa.Direction = sad.Out
		for _, sa := range []sad.SA{inbound, sa} {
			if err := e.Install(sa); err != nil {
				t.Fatal(err)
			}
		}
	}
	return w
}

// change replaces the SPD. What the book says of SAs: they go with their policy.
func (w *world) change(t *testing.T, in *dice) {
	w.policies = in.spd()
	if err := w.e.SetPolicies(w.policies); err != nil {
		t.Fatalf("%v: %+v", err, w.policies)
	}
	for id := range w.sas {
		if int(id) > len(w.policies) {
			delete(w.sas, id)
			delete(w.out, id)
		}
	}
}

// remove takes an outbound SA away.
func (w *world) remove(t *testing.T, in *dice) {
	sa := ours(in.below(mostSAs))
	sa.Direction = sad.Out
	if err := w.e.Remove(sa.ID()); err != nil {
		t.Fatal(err)
	}
	delete(w.out, sa.Policy)
}

func (w *world) send(t *testing.T, b booked) {
	p := inBuffer(b.bytes())
	sent := w.s.protect(w.e.tables.Load(), &p, 1)
	want, by := bookSays(w.policies, w.sas, b, true)
	want = want && w.out[by]
	w.count(1, want)
	if sent == nil && !want || sent != nil && want && sent.Policy == by {
		return
	}
	t.Fatalf("outbound %+v: sent by %v, the book says %t by policy %d of\n%s", b, sent, want, by, w)
}

func (w *world) receive(t *testing.T, b booked, i int) {
	sealed := w.peers[i].protectOne(b.bytes())
	if sealed == nil {
		t.Fatalf("the peer cannot send %+v", b)
	}
	p := received(w.r, sealed)
	passed := w.r.opened(w.e.tables.Load(), &p, from, 1)
	want, by := bookSays(w.policies, w.sas, b, false)
	want = want && by == uint32(i+1)
	w.count(0, want)
	if passed != want || passed && !bytes.Equal(p.bytes(), b.bytes()) {
		t.Fatalf("inbound %+v by SA %d: passed %t as %x, the book says %t by policy %d of\n%s", b, i+1, passed, p.bytes(), want, by, w)
	}
}

func (w *world) count(way int, passes bool) {
	if passes {
		w.passed[way]++
	} else {
		w.refused[way]++
	}
}

func (w *world) String() (text string) {
	for _, p := range w.policies {
		text += fmt.Sprintf("%+v\n", p)
	}
	for id, sa := range w.sas {
		text += fmt.Sprintf("SA of %d: %v to %v\n", id, sa.LocalTS, sa.RemoteTS)
	}
	return text
}
