package firewall

import (
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// A flood of SYNs with invented sources to a port forward fills neither
// connection tracking nor the host inside: the gateway answers each SYN itself
// with a cookie (RFC 4987 3.6), and only who sends the cookie back gets a
// connection.
//
//	prerouting, raw     a SYN to a forward is not tracked, so not translated
//	input               the gateway answers it; the ACK with the cookie is
//	                    invalid to connection tracking and comes here too
//	output              the kernel then sends the SYN in the client's name: it is
//	                    tracked, translated and asked about by the rules between
//	                    wan and the host's zone, as if it had been forwarded
//
// From then on packets pass as established; the kernel shifts the sequence
// numbers and timestamps. In the ACK that it sends to the host it shifts one
// timestamp too many (seen on 6.18), and hosts that check it (Linux since 6.15)
// wait for the client's next segment: a second, if the host is to speak first. So
// it is for floods only: SYNs below a rate take the plain way. It needs net.netfilter.nf_conntrack_tcp_loose to be 0, or the ACK
// would be taken for a connection that began earlier.

// What the gateway says in the host's name before it knows it. The segment size
// fits a PPPoE line (1492 bytes).
const (
	proxyMSS4, proxyMSS6 = 1440, 1420
	proxyWindowScale     = 7
)

// synProxy writes the chains for TCP to forwards that comes by wan.
func (c *compiler) synProxy() {
	// With several uplinks the answer to a SYN would leave by the best of them,
	// not by the one that was asked: nothing tracks it.
	uplinks := slices.ContainsFunc(c.policy.Interfaces, func(i Interface) bool { return i.Mark != 0 })
	if !c.policy.Protection.SYNProxy || len(c.devices[ZoneWAN]) == 0 || uplinks {
		return
	}
	var untracked, answered, led, asked []rule
	for _, f := range c.policy.Forwards {
		if !slices.Contains(f.transports(), overTCP) {
			continue
		}
		mss := uint16(proxyMSS4)
		if f.To.Is6() {
			mss = proxyMSS6
		}
		ports := port{overTCP, destination, f.Ports}
		for _, m := range c.callers(f) {
			at := func(statements ...statement) rule {
				return rule{comment: f.ID, statements: append(append([]statement{deviceIn{incoming, setWAN}}, m...), statements...)}
			}
			if n := c.policy.Protection.FreeSYNs; n > 0 {
				untracked = append(untracked, at(ports, firstOfTCP{}, overRate{n, expr.LimitTimeSecond, n}, notrack{}))
			} else {
				untracked = append(untracked, at(ports, firstOfTCP{}, notrack{}))
			}
			answered = append(answered, at(ports, outsideState{}, proxySYN{mss}))
			led = append(led, rule{comment: f.ID, statements: append(slices.Clone(m), ports, c.hostOf(f, overTCP))})
		}
		zone, _ := c.zoneOf(f.To)
		asked = append(asked, rule{comment: f.ID, statements: []statement{
			translated{}, address{destination, single(f.To)}, port{overTCP, destination, f.target()}, goTo("pair_" + ZoneWAN + "_" + zone),
		}})
	}
	if len(untracked) == 0 {
		return
	}
	c.out.addChain("syn_untracked", &hook{kind: "filter", point: "prerouting", priority: "-290"}, untracked...)
	c.out.addChain("syn_answered", &hook{kind: "filter", point: "input", priority: "-5"}, answered...)
	c.out.addChain("syn_led", &hook{kind: "nat", point: "output", priority: "-100"}, append([]rule{when(ownSource{}, accept)}, led...)...)
	c.out.addChain("syn_in_others_names", nil, asked...)
	c.out.addChain("syn_asked", &hook{kind: "filter", point: "output", priority: "filter"},
		when(newConnection{}, foreignSource{}, goTo("syn_in_others_names")))
}

// callers match who may use a forward, and the outside addresses it waits at.
func (c *compiler) callers(f Forward) [][]statement {
	fam := familyOf(f.To)
	var to []statement
	if f.Address.IsValid() {
		to = []statement{address{destination, single(f.Address)}}
	} else if to = c.inSpans(wanAddresses, destination, fam, c.pools[wanAddresses]); to == nil {
		return nil // no wan address of this family: nobody can come
	}
	var out [][]statement
	for _, from := range c.addresses("rule_"+f.ID+"_src", source, fam, f.Sources, f.SourceLists) {
		out = append(out, append(slices.Clone(from), to...))
	}
	return out
}

// firstOfTCP matches a SYN and nothing else.
type firstOfTCP struct{}

func (firstOfTCP) text() string { return "tcp flags & (fin | syn | rst | ack) == syn" }
func (firstOfTCP) exprs(n setNames) []expr.Any {
	return append(overTCP.exprs(n), append(tcpFlags(tcpFlagFIN|tcpFlagSYN|tcpFlagRST|tcpFlagACK), equals([]byte{tcpFlagSYN}))...)
}

// notrack keeps a packet out of connection tracking.
type notrack struct{}

func (notrack) text() string              { return "notrack" }
func (notrack) exprs(setNames) []expr.Any { return []expr.Any{&expr.Notrack{}} }

// outsideState matches what belongs to no connection.
type outsideState struct{}

func (outsideState) text() string { return "ct state invalid,untracked" }
func (outsideState) exprs(setNames) []expr.Any {
	return stateHas(expr.CtStateBitINVALID | expr.CtStateBitUNTRACKED)
}

// foreignSource matches a source that is not this gateway's own.
type foreignSource struct{}

func (foreignSource) text() string { return "fib saddr type != local" }
func (foreignSource) exprs(setNames) []expr.Any {
	return []expr.Any{
		&expr.Fib{Register: register, ResultADDRTYPE: true, FlagSADDR: true},
		&expr.Cmp{Op: expr.CmpOpNeq, Register: register, Data: binary.NativeEndian.AppendUint32(nil, unix.RTN_LOCAL)},
	}
}

// proxySYN answers a SYN and takes the cookie back.
type proxySYN struct{ mss uint16 }

func (a proxySYN) text() string {
	return fmt.Sprintf("synproxy mss %d wscale %d timestamp sack-perm", a.mss, proxyWindowScale)
}

func (a proxySYN) exprs(setNames) []expr.Any {
	return []expr.Any{&expr.SynProxy{
		Mss: a.mss, MssValueSet: true, Wscale: proxyWindowScale, WscaleValueSet: true, Timestamp: true, SackPerm: true,
	}}
}
