package esp

import (
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"gatehouse/ipsec/sad"
)

// tables are the SAD and SPD at one moment. They are never changed: a change
// makes new ones, of which it shares the parts that stay.
type tables struct {
	// generation differs between snapshots; caches hold it instead of the
	// tables, which would keep old SAs alive.
	generation uint64
	// in are inbound SAs by the last byte of their SPI, so that adding one among
	// ten thousand copies a few.
	in       [256]map[saKey]*inbound
	policies []*policy
	// local and remote find policies by the addresses of one side.
	local, remote index
	// demands are the labels that packets can carry; the position is that of the
	// bit in a set of labels.
	demands []*policy
}

// saKey names an inbound SA: its destination is always this gateway (RFC 4301
// section 4.1).
type saKey struct {
	spi      sad.SPI
	protocol sad.Protocol
}

func (t *tables) inbound(protocol sad.Protocol, spi sad.SPI) *inbound {
	return t.in[byte(spi)][saKey{spi, protocol}]
}

// policy is an SPD entry and the SAs that carry its traffic. The policies of
// several snapshots are the same.
type policy struct {
	sad.Policy
	outs []*outbound // by age; guarded by Engine.changing
	// current is the bundle in use now, the innermost SA first; nil without one.
	current atomic.Pointer[[]*outbound]
	// acquired is when Acquire was last reported, in Unix nanoseconds.
	acquired atomic.Int64
	refusals refusals
	// labels are those that it gives, as a Demand, or that it is limited to.
	labels uint16
}

// usage counts what an SA carried.
type usage struct {
	packets, bytes             atomic.Uint64
	replayed, invalid, refused atomic.Uint64
	last                       atomic.Int64 // Unix nanoseconds
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
	lanes
	// busy is held while the window is used, but not for SAs in UDP: these have
	// one goroutine. Others can be reached by several sockets at once.
	busy     sync.Mutex
	window   *window       // nil without replay protection
	seen     atomic.Uint64 // the highest sequence number
	life     life
	refusals refusals
	// The flow admitted last, good while the tables are the same.
	admitted   flow
	generation uint64
	// moved is where genuine packets came from last, if not from the peer's
	// address.
	moved netip.AddrPort
}

type outbound struct {
	sad.SA
	usage
	lanes
	seq        atomic.Uint64
	exhausted  atomic.Bool
	overflowed atomic.Bool
	// noSource says that Local is no address of this host any more.
	noSource  atomic.Bool
	life      life
	installed uint64 // higher is newer
	path      pathMTU
	// busy guards dummies.
	busy    sync.Mutex
	dummies *time.Timer
}

// matches says whether a packet belongs to the selectors, seen from here.
func matches(local, remote []sad.Selector, f *flow, out bool) bool {
	if out {
		return anyContains(local, f, true) && anyContains(remote, f, false)
	}
	return anyContains(local, f, false) && anyContains(remote, f, true)
}

// anyContains compares the packet's source, or else its destination.
func anyContains(selectors []sad.Selector, f *flow, src bool) bool {
	addr, port := f.dst, f.dstPort
	if src {
		addr, port = f.src, f.srcPort
	}
	for i := range selectors {
		s := &selectors[i]
		if f.opaque && !s.Opaque() && (s.FirstPort != 0 || s.LastPort != 65535) {
			continue // what cannot be seen cannot be compared
		}
		if f.opaque && s.Opaque() {
			if s.ContainsAddress(addr, f.protocol) {
				return true
			}
			continue
		}
		if s.Contains(addr, f.protocol, port) {
			return true
		}
	}
	return false
}

// lookUp finds the policy for a packet, the first that matches, and the labels
// that the packet carries.
func (t *tables) lookUp(f *flow, out bool) (*policy, uint16) {
	labels := t.labels(f, out)
	of := t.candidates(f, out)
	for n := of.next(); n >= 0; n = of.next() {
		p := t.policies[n]
		if p.Action == sad.Demand || len(p.Labels) > 0 && p.labels&labels == 0 {
			continue
		}
		if p.Way.Takes(out) && p.Class.Has(f.dscp, f.label) && matches(p.LocalTS, p.RemoteTS, f, out) {
			return p, labels
		}
	}
	return nil, labels
}

// labels are those that a packet carries.
func (t *tables) labels(f *flow, out bool) (all uint16) {
	if len(t.demands) == 0 {
		return 0
	}
	of := t.candidates(f, out)
	for n := of.next(); n >= 0; n = of.next() {
		p := t.policies[n]
		if p.Action == sad.Demand && p.Way.Takes(out) && p.Class.Has(f.dscp, f.label) && matches(p.LocalTS, p.RemoteTS, f, out) {
			all |= p.labels
		}
	}
	return all
}

// number gives each label its bit.
func (t *tables) number() {
	t.demands = nil
	bits := map[string]uint16{}
	for _, p := range t.policies {
		if p.Action == sad.Demand && bits[p.Labels[0]] == 0 {
			bits[p.Labels[0]] = 1 << len(t.demands)
			t.demands = append(t.demands, p)
		}
	}
	for _, p := range t.policies {
		for _, l := range p.Labels {
			p.labels |= bits[l]
		}
	}
}

// unmet is a demand of a packet's labels that none of its SAs meets, or nil.
func unmet[T interface{ association() *sad.SA }](t *tables, labels uint16, sas []T) *policy {
	for i, d := range t.demands {
		met := labels>>i&1 == 0
		for _, sa := range sas {
			met = met || d.Meets(sa.association())
		}
		if !met {
			return d
		}
	}
	return nil
}

func (sa *inbound) association() *sad.SA  { return &sa.SA }
func (sa *outbound) association() *sad.SA { return &sa.SA }
