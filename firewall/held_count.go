package firewall

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// setCount is NFTA_SET_COUNT of the kernel's nf_tables.h, since Linux 6.17:
// how many elements a set has, two keys of an interval set being one.
const setCount = 20

// missingFrom says how many elements a set has that it should not have or has
// not that it should, as text; empty if there are none. The kernel's own count
// takes no time. Before it had one, all keys are read, a second for 100,000.
func (s set) missingFrom(held kernelSet) (string, error) {
	if held.counted {
		want := s.kernelSize()
		if s.key.interval && !s.key.concatenated() {
			want /= 2
		}
		if held.elements != want {
			return fmt.Sprintf("set %s has %d elements instead of %d", s.name, held.elements, want), nil
		}
		return "", nil
	}
	keys, err := heldElements(s.name)
	if err != nil {
		return "", err
	}
	if want := s.kernelSize(); keys != want {
		return fmt.Sprintf("set %s has %d keys instead of %d", s.name, keys, want), nil
	}
	return "", nil
}

// kernelSet is what the kernel says about a set as a whole.
type kernelSet struct {
	elements int
	counted  bool // or else the kernel does not say how many elements it has
}

// heldSets is what the kernel says about each set of the table.
func heldSets() (map[string]kernelSet, error) {
	out := map[string]kernelSet{}
	ask := []netlink.Attribute{named(unix.NFTA_SET_TABLE, tableName)}
	err := dump("sets", unix.NFT_MSG_GETSET, ask, func(attributes []byte) error {
		d, err := netlink.NewAttributeDecoder(attributes)
		if err != nil {
			return err
		}
		d.ByteOrder = binary.BigEndian
		table, name, is := "", "", kernelSet{}
		for d.Next() {
			switch d.Type() {
			case unix.NFTA_SET_TABLE:
				table = d.String()
			case unix.NFTA_SET_NAME:
				name = d.String()
			case setCount:
				is = kernelSet{int(d.Uint32()), true}
			}
		}
		if table == tableName {
			out[name] = is
		}
		return d.Err()
	})
	if errors.Is(err, unix.ENOENT) { // there is no such table
		err = nil
	}
	return out, err
}
