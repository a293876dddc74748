package esp

import (
	"net/netip"
	"sync/atomic"
	"time"

	"golang.zx2c4.com/wireguard/conn"

	"gatehouse/ipsec/sad"
)

// tables are the SAD and SPD at one moment. They are never changed: a change
// makes new ones.
type tables struct {
	// generation differs between snapshots; caches hold it instead of the
	// tables, which would keep old SAs alive.
	generation uint64
	in         map[sad.SPI]*inbound
	out        map[sad.SPI]*outbound
	policies   []*policy
}

// policy is an SPD entry and the SA that carries its traffic now.
type policy struct {
	sad.Policy
	current *outbound
	// acquired is when Acquire was last reported, in Unix nanoseconds. Shared
	// between snapshots.
	acquired *atomic.Int64
}

// usage counts what an SA carried.
type usage struct {
	packets, bytes             atomic.Uint64
	replayed, invalid, refused atomic.Uint64
	last                       atomic.Int64 // Unix nanoseconds
}

func (u *usage) count(n int, now int64) {
	u.packets.Add(1)
	u.bytes.Add(uint64(n))
	u.last.Store(now)
}

func (u *usage) read() sad.Usage {
	out := sad.Usage{
		Packets: u.packets.Load(), Bytes: u.bytes.Load(),
		Replayed: u.replayed.Load(), Invalid: u.invalid.Load(), Refused: u.refused.Load(),
	}
	if ns := u.last.Load(); ns != 0 {
		out.Last = time.Unix(0, ns)
	}
	return out
}

type inbound struct {
	sad.SA
	usage
	transform transform
	window    *window
	// The flow admitted last, good while the tables are the same.
	admitted   flow
	generation uint64
}

// admits says whether a decrypted packet belongs to this SA and the SPD sends
// it by this SA's policy (RFC 4301 section 5.2 step 4): a narrower policy in
// front of it is obeyed in both directions.
func (sa *inbound) admits(t *tables, f *flow) bool {
	if sa.generation == t.generation && sa.admitted == *f {
		return true
	}
	if !matches(sa.LocalTS, sa.RemoteTS, f, false) {
		return false
	}
	p := t.lookUp(f, false)
	if p == nil || p.Action != sad.Protect || p.ID != sa.Policy {
		return false
	}
	sa.admitted, sa.generation = *f, t.generation
	return true
}

type outbound struct {
	sad.SA
	usage
	transform transform
	endpoint  conn.Endpoint
	seq       atomic.Uint64
	exhausted atomic.Bool
	installed uint64 // higher is newer
}

// matches says whether a packet belongs to the selectors, seen from here.
func matches(local, remote []sad.Selector, f *flow, out bool) bool {
	l, r, lp, rp := f.src, f.dst, f.srcPort, f.dstPort
	if !out {
		l, r, lp, rp = r, l, rp, lp
	}
	return anyContains(local, l, f.protocol, lp) && anyContains(remote, r, f.protocol, rp)
}

func anyContains(selectors []sad.Selector, addr netip.Addr, protocol uint8, port uint16) bool {
	for i := range selectors {
		if selectors[i].Contains(addr, protocol, port) {
			return true
		}
	}
	return false
}

// lookUp finds the policy for a packet: the first that matches.
func (t *tables) lookUp(f *flow, out bool) *policy {
	for _, p := range t.policies {
		if matches(p.LocalTS, p.RemoteTS, f, out) {
			return p
		}
	}
	return nil
}
