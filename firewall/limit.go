package firewall

import (
	"encoding/binary"
	"fmt"
	"time"

	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// within is the chain that an Allow rule with a limit goes to, wherever in the
// table it matches, so that there is one limit and not one for each place:
//
//	what connection tracking knows already   passes uncounted
//	beyond the rate, then beyond the number  is dropped as over-<rule ID>
//	the rest                                 passes
//
// A sender who repeats itself before it has an answer, as UDP does, is so one
// connection. The rate comes first: what it refuses is not open.
func (c *compiler) within(r Rule, passes []statement) verdict {
	name := "within_" + r.ID
	if c.ends[name] {
		return goTo(name)
	}
	c.ends[name] = true
	over := c.end(OverID(r.ID), Drop)
	rules := []rule{{comment: r.ID, statements: append([]statement{tracked{}}, passes...)}}
	refuse := func(kind string, beyond meter, forget time.Duration) {
		if !r.Limit.PerSource {
			rules = append(rules, rule{comment: r.ID, statements: []statement{beyond, over}})
			return
		}
		for _, f := range []family{ipv4, ipv6} {
			set := sourceSet(kind+"_"+r.ID+"_"+f.digit(), f, forget)
			c.setOnce(set)
			rules = append(rules, rule{comment: r.ID, statements: []statement{perSource{family: f, set: set.name, renew: forget > 0, meter: beyond}, over}})
		}
	}
	if r.Limit.Rate > 0 {
		refuse("rate", r.Limit.overRate(), r.Limit.fullAgain())
	}
	if r.Limit.Open > 0 {
		refuse("open", overOpen{r.Limit.Open}, 0)
	}
	rules = append(rules, rule{comment: r.ID, statements: passes})
	c.endings = append(c.endings, chain{name: name, rules: rules})
	return goTo(name)
}

// meter is a statement that matches what is beyond a limit.
type meter interface {
	statement
	expr() expr.Any
}

// overRate matches what a bucket of tokens does not cover. A new token comes in
// every Per/Rate; a connection takes one.
type overRate struct {
	rate   uint32
	unit   expr.LimitTime
	bucket uint32
}

func (l Limit) overRate() overRate {
	return overRate{l.Rate, expr.LimitTime(l.Per / time.Second), l.bucket()}
}

// bucket is how many may begin at once.
func (l Limit) bucket() uint32 { return max(l.Burst, 1) }

// fullAgain is how long an empty bucket takes to fill, and at least a minute:
// only then may a source be forgotten.
func (l Limit) fullAgain() time.Duration {
	fills := time.Duration(l.bucket()) * (l.Per / time.Duration(l.Rate))
	return max(fills.Round(time.Second)+time.Second, time.Minute)
}

func (m overRate) text() string {
	unit := map[expr.LimitTime]string{
		expr.LimitTimeSecond: "second", expr.LimitTimeMinute: "minute", expr.LimitTimeHour: "hour", expr.LimitTimeDay: "day",
	}[m.unit]
	return fmt.Sprintf("limit rate over %d/%s burst %d packets", m.rate, unit, m.bucket)
}

func (m overRate) expr() expr.Any {
	return &expr.Limit{Type: expr.LimitTypePkts, Rate: uint64(m.rate), Unit: m.unit, Burst: m.bucket, Over: true}
}

func (m overRate) exprs(setNames) []expr.Any { return []expr.Any{m.expr()} }

// overOpen matches when more connections than that are open, this one
// included. The kernel knows those that came by this rule since it is there.
type overOpen struct{ most uint32 }

func (m overOpen) text() string { return fmt.Sprintf("ct count over %d", m.most) }
func (m overOpen) expr() expr.Any {
	return &expr.Connlimit{Count: m.most, Flags: expr.NFT_CONNLIMIT_F_INV}
}
func (m overOpen) exprs(setNames) []expr.Any { return []expr.Any{m.expr()} }

// perSource has a meter for each source address, in a set that packets fill.
// When the set is full, further sources are not held back: else a flood of
// invented sources would shut everybody out.
type perSource struct {
	family family
	set    string
	renew  bool // keep the source for another while
	meter  meter
	bits   int // of the network that counts as one source; 0: each address
}

func (m perSource) text() string {
	keyword := source.keyword(m.family)
	if m.bits == hostBits(m.family) {
		keyword = hostKeyword(m.family)
	}
	return fmt.Sprintf("%s @%s { %s %s }", map[bool]string{true: "update", false: "add"}[m.renew], m.set, keyword, m.meter.text())
}

func (m perSource) exprs(n setNames) []expr.Any {
	operation := uint32(unix.NFT_DYNSET_OP_ADD)
	if m.renew {
		operation = unix.NFT_DYNSET_OP_UPDATE
	}
	load := []expr.Any{source.load(m.family)}
	if m.bits == hostBits(m.family) {
		load = loadHost(m.family)
	}
	return append(append(m.family.exprs(n), load...), &expr.Dynset{
		SrcRegKey: register, SetName: m.set, SetID: n[m.set], Operation: operation, Exprs: []expr.Any{m.meter.expr()},
	})
}

// mostSources is how many sources a limit tells apart.
const mostSources = 65_535

// sourceSet is a set that perSource fills.
func sourceSet(name string, f family, forget time.Duration) set {
	s := set{name: name, key: keyIPv4(), filled: true, forget: forget}
	if f == ipv6 {
		s.key = keyIPv6()
	}
	s.key.interval = false
	return s
}

// ipsConfirmed is the bit of a connection's status that says that its first
// packet was let through (IPS_CONFIRMED of nf_conntrack_common.h).
const ipsConfirmed = 1 << 3

// tracked matches connections that were let through before.
type tracked struct{}

func (tracked) text() string              { return "ct status confirmed" }
func (tracked) exprs(setNames) []expr.Any { return statusHas(ipsConfirmed) }

// stateHas matches a state of a connection.
func stateHas(bit uint32) []expr.Any {
	b := binary.NativeEndian.AppendUint32(nil, bit)
	return []expr.Any{
		&expr.Ct{Key: expr.CtKeySTATE, Register: register},
		&expr.Bitwise{SourceRegister: register, DestRegister: register, Len: 4, Mask: b, Xor: make([]byte, 4)},
		&expr.Cmp{Op: expr.CmpOpNeq, Register: register, Data: make([]byte, 4)},
	}
}

// statusHas matches a bit of a connection's status.
func statusHas(bit uint32) []expr.Any {
	b := binary.NativeEndian.AppendUint32(nil, bit)
	return []expr.Any{
		&expr.Ct{Key: expr.CtKeySTATUS, Register: register},
		&expr.Bitwise{SourceRegister: register, DestRegister: register, Len: 4, Mask: b, Xor: make([]byte, 4)},
		&expr.Cmp{Op: expr.CmpOpNeq, Register: register, Data: make([]byte, 4)},
	}
}
