package firewall

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// verdict ends the walk of a packet or moves it to a chain, in nft syntax.
type verdict string

const (
	accept verdict = "accept"
	drop   verdict = "drop"
)

const gotoKeyword = "goto "

func goTo(chain string) verdict { return verdict(gotoKeyword + chain) }

func (v verdict) text() string { return string(v) }

func (v verdict) expr() *expr.Verdict {
	if chain, ok := strings.CutPrefix(string(v), gotoKeyword); ok {
		return &expr.Verdict{Kind: expr.VerdictGoto, Chain: chain}
	}
	if v == accept {
		return &expr.Verdict{Kind: expr.VerdictAccept}
	}
	return &expr.Verdict{Kind: expr.VerdictDrop}
}

func (v verdict) exprs(setNames) []expr.Any { return []expr.Any{v.expr()} }

// count adds the packet to the counter of a rule ID.
type count struct{ id string }

func counterName(id string) string { return "count_" + id }

func (a count) text() string { return "counter name " + strconv.Quote(counterName(a.id)) }
func (a count) exprs(setNames) []expr.Any {
	return []expr.Any{&expr.Objref{Type: unix.NFT_OBJECT_COUNTER, Name: counterName(a.id)}}
}

// How much of a flood is reported: enough to see who and what, too little to
// keep the reader busy. The counters stay exact.
const (
	logRate    = 20 // packets per second and rule ID
	logBurst   = 40 // packets
	logSnaplen = 96 // bytes of the packet: both headers with room for options
)

// report sends the packet's head to the nflog group, at most logRate times a
// second. The prefix is the rule ID and what became of the packet.
type report struct {
	id     string
	action Action
	group  uint16
}

func (a report) prefix() string { return a.id + " " + a.action.String() }

func (a report) text() string {
	return fmt.Sprintf("limit rate %d/second burst %d packets log prefix %q group %d snaplen %d",
		logRate, logBurst, a.prefix(), a.group, logSnaplen)
}

func (a report) exprs(setNames) []expr.Any {
	return []expr.Any{
		&expr.Limit{Type: expr.LimitTypePkts, Rate: logRate, Unit: expr.LimitTimeSecond, Burst: logBurst},
		&expr.Log{
			Key:   1<<unix.NFTA_LOG_GROUP | 1<<unix.NFTA_LOG_PREFIX | 1<<unix.NFTA_LOG_SNAPLEN,
			Group: a.group, Data: []byte(a.prefix()), Snaplen: logSnaplen,
		},
	}
}

// String is the action's name: "drop", "reject" or "allow".
func (a Action) String() string {
	switch a {
	case Allow:
		return "allow"
	case Reject:
		return "reject"
	}
	return "drop"
}

// refuseTCP and refuse tell the sender so (RFC 9293 3.5.2; RFC 1812 5.2.7.1
// code 13, RFC 4443 3.1 code 1).
type refuseTCP struct{}

func (refuseTCP) text() string { return "meta l4proto tcp reject with tcp reset" }
func (refuseTCP) exprs(n setNames) []expr.Any {
	return append(overTCP.exprs(n), &expr.Reject{Type: unix.NFT_REJECT_TCP_RST})
}

type refuse struct{}

func (refuse) text() string { return "reject with icmpx admin-prohibited" }
func (refuse) exprs(setNames) []expr.Any {
	return []expr.Any{&expr.Reject{Type: unix.NFT_REJECT_ICMPX_UNREACH, Code: unix.NFT_REJECT_ICMPX_ADMIN_PROHIBITED}}
}

// masquerade gives the packet the address of the device it leaves by.
type masquerade struct{}

func (masquerade) text() string              { return "masquerade" }
func (masquerade) exprs(setNames) []expr.Any { return []expr.Any{&expr.Masq{}} }

// clampMSS lowers the segment size in a SYN to what the tunnel carries
// (RFC 9293 3.7.1: the option is in SYN segments only), because a path that
// eats Packet Too Big would stall every connection otherwise.
type clampMSS struct{}

const (
	tcpFlagFIN    = 0x01
	tcpFlagSYN    = 0x02
	tcpFlagRST    = 0x04
	tcpFlagACK    = 0x10
	tcpOptionMSS  = 2
	mssValueAt    = 2 // bytes into the option
	tcpFlagsAt    = 13
	mssValueBytes = 2
)

func (clampMSS) text() string {
	return "tcp flags & (syn | rst) == syn tcp option maxseg size set rt mtu"
}

func (clampMSS) exprs(n setNames) []expr.Any {
	return append(append(overTCP.exprs(n), tcpFlags(tcpFlagSYN|tcpFlagRST)...),
		equals([]byte{tcpFlagSYN}),
		&expr.Rt{Register: register, Key: expr.RtTCPMSS},
		&expr.Byteorder{SourceRegister: register, DestRegister: register, Op: expr.ByteorderHton, Len: mssValueBytes, Size: mssValueBytes},
		&expr.Exthdr{SourceRegister: register, Type: tcpOptionMSS, Offset: mssValueAt, Len: mssValueBytes, Op: expr.ExthdrOpTcpopt},
	)
}
