package firewall

import (
	"encoding/binary"
	"net"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

func (m MAC) String() string { return net.HardwareAddr(m[:]).String() }

// loadHardwareSource reads the source of an Ethernet frame, six bytes behind
// the destination (IEEE 802.3), where the device has such frames at all.
func loadHardwareSource() []expr.Any {
	return []expr.Any{
		&expr.Meta{Key: expr.MetaKeyIIFTYPE, Register: register},
		equals(binary.NativeEndian.AppendUint16(nil, unix.ARPHRD_ETHER)),
		&expr.Payload{DestRegister: register, Base: expr.PayloadBaseLLHeader, Offset: 6, Len: 6},
	}
}

// hardwareSource matches the Ethernet address a packet came from: of the host
// on the same link, or of the router that stands before it.
type hardwareSource struct{ address MAC }

func (m hardwareSource) text() string { return "ether saddr " + m.address.String() }
func (m hardwareSource) exprs(setNames) []expr.Any {
	return append(loadHardwareSource(), equals(m.address[:]))
}

type hardwareSourceIn struct{ set string }

func (m hardwareSourceIn) text() string { return "ether saddr @" + m.set }
func (m hardwareSourceIn) exprs(n setNames) []expr.Any {
	return append(loadHardwareSource(), inSet(n, m.set))
}

func keyHardware() keyKind {
	return keyKind{"ether_addr", nftables.TypeEtherAddr, false, binaryutil.BigEndian}
}

// hardwareSet is a set of Ethernet addresses, each once.
func hardwareSet(name string, all []MAC) set {
	s := set{name: name, key: keyHardware()}
	seen := map[MAC]bool{}
	for _, m := range all {
		if !seen[m] {
			s.elements = append(s.elements, element{label: m.String(), key: m[:]})
		}
		seen[m] = true
	}
	return s
}
