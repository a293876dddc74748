package esp

import (
	"math/rand/v2"
	"net/netip"
	"testing"

	"gatehouse/ipsec/sad"
)

// TestTheIndexFindsWhatTryingAllFinds compares it with the first policy that
// matches when all are tried, for policies and packets at random that often touch,
// overlap and nest.
func TestTheIndexFindsWhatTryingAllFinds(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	address := func() netip.Addr {
		if random.IntN(3) == 0 {
			return netip.AddrFrom16([16]byte{0xfd, 15: byte(random.IntN(64))})
		}
		// Both ends of the address space, too.
		return netip.AddrFrom4([4]byte{byte(random.IntN(2) * 255), 255, 255, byte(random.IntN(64) + 192)})
	}
	selector := func() sad.Selector {
		a, b := address(), address()
		for a.BitLen() != b.BitLen() {
			b = address()
		}
		if b.Less(a) {
			a, b = b, a
		}
		if random.IntN(3) == 0 {
			b = a
		}
		s := sad.Selector{First: a, Last: b, LastPort: 65535}
		if random.IntN(4) == 0 {
			s.First, s.Last = netip.AddrFrom4([4]byte{}), netip.AddrFrom4([4]byte{255, 255, 255, 255})
		}
		return s
	}
	selectors := func() (all []sad.Selector) {
		for range 1 + random.IntN(3) {
			all = append(all, selector())
		}
		return all
	}
	for range 200 {
		e := newEngine(Config{Event: func(sad.Event) {}})
		var policies []sad.Policy
		for i := range random.IntN(60) {
			policies = append(policies, sad.Policy{ID: uint32(i + 1), Action: sad.Protect, Way: sad.Way(random.IntN(3)), LocalTS: selectors(), RemoteTS: selectors()})
		}
		if err := e.SetPolicies(policies); err != nil {
			t.Fatal(err)
		}
		tables := e.tables.Load()
		for range 100 {
			f := flow{src: address(), dst: address(), protocol: protoTCP, srcPort: 1, dstPort: 2}
			for _, out := range []bool{false, true} {
				var want *policy
				for _, p := range tables.policies {
					if p.Way.Takes(out) && matches(p.LocalTS, p.RemoteTS, &f, out) {
						want = p
						break
					}
				}
				if got, _ := tables.lookUp(&f, out); got != want {
					t.Fatalf("%v, outbound %t: found %+v, want %+v", f, out, got, want)
				}
			}
		}
	}
}
