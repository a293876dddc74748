package firewall

import (
	"encoding/binary"
	"fmt"

	"github.com/google/nftables/expr"
)

// uplinks marks connections with the wan device they came in by, and their
// answers with the mark of the connection, before these are routed. What comes
// in by wan itself is not an answer of ours and goes on unmarked.
func (c *compiler) uplinks() {
	var rules []rule
	for _, i := range c.policy.Interfaces {
		if i.Mark != 0 {
			rules = append(rules, when(device{incoming, i.Device}, newConnection{}, markConnection{i.Mark}))
		}
	}
	if len(rules) == 0 {
		return
	}
	c.out.addChain("uplinks", &hook{kind: "filter", point: "prerouting", priority: "mangle"},
		append(rules, when(deviceIn{incoming, setWAN}, accept), when(marked{}, markAnswer{}))...)
	// A chain of the kind route looks for the way again.
	c.out.addChain("uplinks_own", &hook{kind: "route", point: "output", priority: "mangle"}, when(marked{}, markAnswer{}))
}

// newConnection matches the first packet.
type newConnection struct{}

func (newConnection) text() string { return "ct state new" }
func (newConnection) exprs(setNames) []expr.Any {
	bit := binary.NativeEndian.AppendUint32(nil, expr.CtStateBitNEW)
	return []expr.Any{
		&expr.Ct{Key: expr.CtKeySTATE, Register: register},
		&expr.Bitwise{SourceRegister: register, DestRegister: register, Len: 4, Mask: bit, Xor: make([]byte, 4)},
		&expr.Cmp{Op: expr.CmpOpNeq, Register: register, Data: make([]byte, 4)},
	}
}

// markConnection marks the connection.
type markConnection struct{ mark uint32 }

func (a markConnection) text() string { return fmt.Sprintf("ct mark set 0x%08x", a.mark) }
func (a markConnection) exprs(setNames) []expr.Any {
	return []expr.Any{
		&expr.Immediate{Register: register, Data: binary.NativeEndian.AppendUint32(nil, a.mark)},
		&expr.Ct{Key: expr.CtKeyMARK, Register: register, SourceRegister: true},
	}
}

// marked matches packets of a marked connection.
type marked struct{}

func (marked) text() string { return "ct mark != 0x00000000" }
func (marked) exprs(setNames) []expr.Any {
	return []expr.Any{
		&expr.Ct{Key: expr.CtKeyMARK, Register: register},
		&expr.Cmp{Op: expr.CmpOpNeq, Register: register, Data: make([]byte, 4)},
	}
}

// markAnswer gives the packet the mark of its connection.
type markAnswer struct{}

func (markAnswer) text() string { return "meta mark set ct mark" }
func (markAnswer) exprs(setNames) []expr.Any {
	return []expr.Any{
		&expr.Ct{Key: expr.CtKeyMARK, Register: register},
		&expr.Meta{Key: expr.MetaKeyMARK, Register: register, SourceRegister: true},
	}
}
