package firewall

import (
	"encoding/binary"
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

// heldSet asks about a set; an error that is unix.ENOENT says that there is none.
func heldSet(name string) (kernelSet, error) {
	c, err := netlink.Dial(unix.NETLINK_NETFILTER, nil)
	if err != nil {
		return kernelSet{}, fmt.Errorf("open nf_tables: %w", err)
	}
	defer c.Close()
	attributes, err := netlink.MarshalAttributes([]netlink.Attribute{
		{Type: unix.NFTA_SET_TABLE, Data: append([]byte(tableName), 0)},
		{Type: unix.NFTA_SET_NAME, Data: append([]byte(name), 0)},
	})
	if err != nil {
		return kernelSet{}, err
	}
	// struct nfgenmsg: family, version, two bytes of resource ID.
	head := []byte{unix.NFPROTO_INET, unix.NFNETLINK_V0, 0, 0}
	answers, err := c.Execute(netlink.Message{
		Header: netlink.Header{Type: netlink.HeaderType(unix.NFNL_SUBSYS_NFTABLES<<8 | unix.NFT_MSG_GETSET), Flags: netlink.Request},
		Data:   append(head, attributes...),
	})
	if err != nil {
		return kernelSet{}, fmt.Errorf("ask for set %s: %w", name, err)
	}
	var out kernelSet
	for _, a := range answers {
		if len(a.Data) < len(head) {
			return kernelSet{}, fmt.Errorf("set %s: the kernel's answer is cut off", name)
		}
		d, err := netlink.NewAttributeDecoder(a.Data[len(head):])
		if err != nil {
			return kernelSet{}, fmt.Errorf("set %s: %w", name, err)
		}
		d.ByteOrder = binary.BigEndian
		for d.Next() {
			if d.Type() == setCount {
				out = kernelSet{int(d.Uint32()), true}
			}
		}
		if err := d.Err(); err != nil {
			return kernelSet{}, fmt.Errorf("set %s: %w", name, err)
		}
	}
	return out, nil
}
