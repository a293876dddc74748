package xfrm

import (
	"errors"
	"fmt"
	"slices"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"gatehouse/ipsec/sad"
)

// markTable is the table of the rules that mark packets. It is replaced whole.
const markTable = "gatehouse_ipsec"

// Places of the chains. Inbound packets are marked as they came, before anything
// is translated, and outbound ones as they leave, behind all translation. What
// other rules write into the mark they write before.
const (
	beforeTranslation = nftables.ChainPriority(-145)
	behindTranslation = nftables.ChainPriority(200)
)

// marker writes the rules. Guarded by Plane.mu.
type marker struct {
	c *nftables.Conn
	// written says that the table is as this process wants it.
	written bool
	// counted is how many packets each policy had discarded by these rules when they
	// were last read.
	counted map[uint32]uint64
	// total is what policies have discarded since the plane was opened.
	total map[uint32]uint64
}

// roomForAnswers is what the kernel may answer to a batch, in bytes.
const roomForAnswers = 1 << 22

// openMarker opens a socket in the present network namespace.
func openMarker() (*marker, error) {
	c, err := nftables.New(nftables.AsLasting(), nftables.WithSockOptions(func(c *netlink.Conn) error {
		return errors.Join(c.SetReadBuffer(roomForAnswers), c.SetWriteBuffer(roomForAnswers))
	}))
	if err != nil {
		return nil, fmt.Errorf("open nf_tables: %w", err)
	}
	return &marker{c: c, total: map[uint32]uint64{}}, nil
}

func (k *marker) close() error { return k.c.CloseLasting() }

// write replaces the table in one step. Without anything to mark there is none.
func (k *marker) write(r *rules) error {
	if r == nil && k.written {
		return nil
	}
	table := &nftables.Table{Name: markTable, Family: nftables.TableFamilyINet}
	k.c.AddTable(table) // deleting needs something to delete
	k.c.DelTable(table)
	if r != nil {
		k.c.AddTable(table)
		for _, policy := range r.counted {
			k.c.AddObj(&nftables.CounterObj{Table: table, Name: counterOf(policy)})
		}
		for _, name := range r.order {
			ch := r.chains[name]
			ch.Table = table
			k.c.AddChain(&ch.Chain)
		}
		for _, name := range r.order {
			ch := r.chains[name]
			for _, m := range ch.rules {
				k.c.AddRule(&nftables.Rule{Table: table, Chain: &ch.Chain, Exprs: m})
			}
		}
	}
	err := k.c.Flush()
	k.written = r == nil && err == nil
	if err == nil {
		k.counted = map[uint32]uint64{}
		if r != nil {
			for _, policy := range r.counted {
				k.counted[policy] = 0
			}
		}
	}
	if err != nil && r == nil {
		return nil // a kernel without nf_tables, of which nothing is asked
	}
	if err != nil {
		return fmt.Errorf("mark what the kernel's policies cannot match: %w", err)
	}
	return nil
}

// rules are the chains of the table.
type rules struct {
	order  []string
	chains map[string]*chain
	// counted are the policies that discard.
	counted []uint32
}

// counterOf is the name of the counter of what a policy discards.
func counterOf(policy uint32) string { return fmt.Sprintf("policy_%d", policy) }

func (r *rules) count(policy uint32) matches {
	if !slices.Contains(r.counted, policy) {
		r.counted = append(r.counted, policy)
	}
	return matches{&expr.Objref{Type: unix.NFT_OBJECT_COUNTER, Name: counterOf(policy)}}
}

type chain struct {
	nftables.Chain
	rules []matches
}

func (r *rules) chain(name string) *chain {
	if ch := r.chains[name]; ch != nil {
		return ch
	}
	ch := &chain{Chain: nftables.Chain{Name: name}}
	r.chains[name], r.order = ch, append(r.order, name)
	return ch
}

func (r *rules) hook(name string, kind nftables.ChainType, hook *nftables.ChainHook, priority nftables.ChainPriority) *chain {
	ch := r.chain(name)
	ch.Type, ch.Hooknum, ch.Priority = kind, hook, &priority
	return ch
}

func (c *chain) add(parts ...matches) { c.rules = append(c.rules, join(parts...)) }

// rules are those that mark what policies say; nil if there is nothing to mark.
func (m marking) rules(policies []sad.Policy, device string, route uint32) *rules {
	if !m.tunnel && !m.host {
		return nil
	}
	r := &rules{chains: map[string]*chain{}}
	m.classify(r, "classify_out", policies, true)
	m.classify(r, "classify_in", policies, false)
	in := r.hook("in", nftables.ChainTypeFilter, nftables.ChainHookPrerouting, beforeTranslation)
	if m.tunnel {
		out := r.hook("out", nftables.ChainTypeFilter, nftables.ChainHookPostrouting, behindTranslation)
		out.add(byDevice(expr.MetaKeyOIFNAME, device, true), setMark(routeMask, seenMark), then(expr.VerdictGoto, "classify_out"))
		in.add(byDevice(expr.MetaKeyIIFNAME, device, true), setMark(routeMask, seenMark), then(expr.VerdictGoto, "classify_in"))
	}
	if m.host {
		m.hosts(r, in, policies, route)
	}
	return r
}

// hosts marks what goes between this host and its peers. The kernel has looked for
// a policy before it comes here, without a mark and thus in vain; with another mark
// it routes the packet anew and looks again. The mark of Config also leads it past
// the routes into the device.
func (m marking) hosts(r *rules, in *chain, policies []sad.Policy, route uint32) {
	own := r.hook("own", nftables.ChainTypeRoute, nftables.ChainHookOutput, beforeTranslation)
	if route != 0 {
		own.add(markedWith(routeMask, expr.CmpOpEq, route), then(expr.VerdictReturn, "")) // protected already
	}
	for _, ch := range []*chain{own, in} {
		// Neighbors must find each other.
		ch.add(portIn(protoICMPv6, 133<<8, 136<<8|0xff, true), then(expr.VerdictReturn, ""))
		for _, p := range []sad.Protocol{sad.ESP, sad.AH} {
			ch.add(ofProtocol(uint8(p)), then(expr.VerdictReturn, ""))
		}
	}
	for _, pol := range policies {
		if !hostToHost(pol) {
			continue
		}
		for _, l := range pol.LocalTS {
			for _, f := range pol.RemoteTS {
				if l.First.BitLen() != f.First.BitLen() {
					continue
				}
				if pol.Way.Takes(true) {
					own.add(within(l.First, l.Last, true), within(f.First, f.Last, false), setMark(0, seenMark|route), then(expr.VerdictGoto, "classify_out"))
				}
				if pol.Way.Takes(false) {
					in.add(within(f.First, f.Last, true), within(l.First, l.Last, false), setMark(routeMask, seenMark), then(expr.VerdictGoto, "classify_in"))
				}
			}
		}
	}
}

// classify writes the labels and the first policy that matches into the mark.
func (m marking) classify(r *rules, name string, policies []sad.Policy, outward bool) {
	all := r.chain(name)
	for _, demands := range []bool{true, false} {
		for i, pol := range policies {
			n := m.numbers[pol.ID]
			if demands != (pol.Action == sad.Demand) || !demands && n == 0 || !pol.Way.Takes(outward) {
				continue
			}
			write := join(setMark(^uint32(numberMask), n), then(expr.VerdictAccept, ""))
			if pol.Action == sad.Discard {
				// At once: the kernel looks at fragments when they are whole again.
				write = join(r.count(pol.ID), then(expr.VerdictDrop, ""))
			}
			if demands {
				write = setMark(^uint32(0), m.labels[pol.Labels[0]])
			}
			all.add(then(expr.VerdictJump, m.compare(r, fmt.Sprintf("%s_%d", name, i), pol, outward, write)))
		}
	}
}

// compare makes the chains that compare a packet with all that a policy says, one
// after another, and gives the first.
func (m marking) compare(r *rules, name string, pol sad.Policy, outward bool, write matches) string {
	from, to := pol.LocalTS, pol.RemoteTS
	if !outward {
		from, to = to, from
	}
	step := 0
	// any matches if one of some ways does, and then goes on.
	at := r.chain(name)
	any := func(ways []matches) {
		step++
		next := r.chain(fmt.Sprintf("%s_%d", name, step))
		for _, w := range ways {
			at.add(w, then(expr.VerdictGoto, next.Name))
		}
		at = next
	}
	if bits := m.labelled(pol.Labels); bits != 0 && pol.Action != sad.Demand {
		any([]matches{markedWith(bits, expr.CmpOpNeq, 0)})
	}
	if len(pol.Class.DSCP) > 0 {
		var ways []matches
		for _, d := range pol.Class.DSCP {
			ways = append(ways, ofDSCP(d)...)
		}
		any(ways)
	}
	if len(pol.Class.FlowLabels) > 0 {
		var ways []matches
		for _, l := range pol.Class.FlowLabels {
			ways = append(ways, ofFlowLabel(l))
			if l == 0 { // what IPv4 has
				ways = append(ways, ofFamily(false))
			}
		}
		any(ways)
	}
	for i, all := range [][]sad.Selector{from, to} {
		var ways []matches
		for _, s := range all {
			ways = append(ways, side(s, i == 0)...)
		}
		any(ways)
	}
	at.add(write)
	return name
}
