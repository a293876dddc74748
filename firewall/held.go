package firewall

import (
	"encoding/binary"
	"errors"
	"fmt"
	"syscall"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// dump asks nf_tables for all of one kind and calls each with the attributes of
// every object. It has a socket of its own for two reasons. The library makes an
// object of each key of a set, which for a list of 100,000 is more memory than
// all the rest of a gateway. And the kernel answers in pieces as large as the
// first buffer that it is given, and walks from the start for each piece: with
// the library's page-sized buffers 100,000 addresses take two seconds.
func dump(what string, kind uint16, ask []netlink.Attribute, each func(attributes []byte) error) error {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_NETFILTER)
	if err != nil {
		return fmt.Errorf("open nf_tables: %w", err)
	}
	defer unix.Close(fd)
	attributes, err := netlink.MarshalAttributes(ask)
	if err != nil {
		return err
	}
	// struct nfgenmsg: family, version, two bytes of resource ID.
	head := []byte{unix.NFPROTO_INET, unix.NFNETLINK_V0, 0, 0}
	text, err := netlink.Message{
		Header: netlink.Header{
			Length: uint32(unix.NLMSG_HDRLEN + len(head) + len(attributes)), Sequence: 1,
			Type:  netlink.HeaderType(unix.NFNL_SUBSYS_NFTABLES<<8 | kind),
			Flags: netlink.Request | netlink.Dump,
		},
		Data: append(head, attributes...),
	}.MarshalBinary()
	if err != nil {
		return err
	}
	if err := unix.Sendto(fd, text, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return fmt.Errorf("ask for %s: %w", what, err)
	}
	buffer := make([]byte, dumpBuffer)
	for {
		size, _, err := unix.Recvfrom(fd, buffer, 0)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return fmt.Errorf("read %s: %w", what, err)
		}
		messages, err := syscall.ParseNetlinkMessage(buffer[:size])
		if err != nil {
			return fmt.Errorf("read %s: %w", what, err)
		}
		for _, m := range messages {
			switch {
			case m.Header.Flags&unix.NLM_F_DUMP_INTR != 0:
				return fmt.Errorf("%s: %w", what, errChanged)
			case m.Header.Type == unix.NLMSG_DONE:
				return nil
			case m.Header.Type == unix.NLMSG_ERROR:
				return fmt.Errorf("read %s: %w", what, errorIn(m.Data))
			case len(m.Data) < len(head):
				return fmt.Errorf("%s: the kernel's answer is cut off", what)
			}
			if err := each(m.Data[len(head):]); err != nil {
				return fmt.Errorf("%s: %w", what, err)
			}
		}
	}
}

// errChanged says that an answer is of two states.
var errChanged = errors.New("changed while it was read")

func named(attribute uint16, name string) netlink.Attribute {
	return netlink.Attribute{Type: attribute, Data: append([]byte(name), 0)}
}

// heldElements is how many keys the kernel holds of a set.
func heldElements(set string) (n int, err error) { return heldIn(tableName, set) }

// heldIn is heldElements for either of the tables.
func heldIn(table, set string) (n int, err error) {
	ask := []netlink.Attribute{named(unix.NFTA_SET_ELEM_LIST_TABLE, table), named(unix.NFTA_SET_ELEM_LIST_SET, set)}
	err = dump("set "+set, unix.NFT_MSG_GETSETELEM, ask, func(attributes []byte) error {
		in, err := countElements(attributes)
		n += in
		return err
	})
	return n, err
}

// heldRules is how many rules the kernel holds in each chain of a table.
func heldRules(table string) (map[string]int, error) {
	out := map[string]int{}
	ask := []netlink.Attribute{named(unix.NFTA_RULE_TABLE, table)}
	err := dump("rules", unix.NFT_MSG_GETRULE, ask, func(attributes []byte) error {
		return ofTable(table, attributes, unix.NFTA_RULE_TABLE, unix.NFTA_RULE_CHAIN, func(chain string) { out[chain]++ })
	})
	return out, err
}

// heldChains calls each with the names of the table's chains.
func heldChains(each func(string)) error {
	return dump("chains", unix.NFT_MSG_GETCHAIN, nil, func(attributes []byte) error {
		return ofTable(tableName, attributes, unix.NFTA_CHAIN_TABLE, unix.NFTA_CHAIN_NAME, each)
	})
}

// ofTable calls fn with one text of an object, if it is of a table of ours.
func ofTable(whose string, attributes []byte, table, wanted uint16, fn func(string)) error {
	d, err := netlink.NewAttributeDecoder(attributes)
	if err != nil {
		return err
	}
	in, name := "", ""
	for d.Next() {
		switch d.Type() {
		case table:
			in = d.String()
		case wanted:
			name = d.String()
		}
	}
	if in == whose {
		fn(name)
	}
	return d.Err()
}

// dumpBuffer is as much as the kernel puts into one piece of an answer, and
// more.
const dumpBuffer = 64 << 10

// errorIn is the error of an NLMSG_ERROR message: a negative errno.
func errorIn(text []byte) error {
	if len(text) < 4 {
		return unix.EBADMSG
	}
	return unix.Errno(-int32(binary.NativeEndian.Uint32(text)))
}

// countElements counts the entries of the element lists in one message.
func countElements(text []byte) (int, error) {
	outer, err := netlink.NewAttributeDecoder(text)
	if err != nil {
		return 0, err
	}
	n := 0
	for outer.Next() {
		if outer.Type() != unix.NFTA_SET_ELEM_LIST_ELEMENTS {
			continue
		}
		outer.Nested(func(inner *netlink.AttributeDecoder) error {
			for inner.Next() {
				if inner.Type() == unix.NFTA_LIST_ELEM {
					n++
				}
			}
			return nil
		})
	}
	return n, outer.Err()
}
