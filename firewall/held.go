package firewall

import (
	"encoding/binary"
	"errors"
	"fmt"
	"syscall"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// heldElements is how many keys the kernel holds of a set. It has a socket of
// its own for two reasons. The library makes an object of 250 bytes of each
// key, which for a list of 100,000 is more memory than all the rest of a
// gateway. And the kernel answers in pieces as large as the first buffer that
// it is given, and walks the set from its start for each piece: with the
// library's page-sized buffers 100,000 addresses take two seconds.
func heldElements(set string) (int, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_NETFILTER)
	if err != nil {
		return 0, fmt.Errorf("open nf_tables: %w", err)
	}
	defer unix.Close(fd)
	attributes, err := netlink.MarshalAttributes([]netlink.Attribute{
		{Type: unix.NFTA_SET_ELEM_LIST_TABLE, Data: append([]byte(tableName), 0)},
		{Type: unix.NFTA_SET_ELEM_LIST_SET, Data: append([]byte(set), 0)},
	})
	if err != nil {
		return 0, err
	}
	// struct nfgenmsg: family, version, two bytes of resource ID.
	head := []byte{unix.NFPROTO_INET, unix.NFNETLINK_V0, 0, 0}
	ask, err := netlink.Message{
		Header: netlink.Header{
			Length: uint32(unix.NLMSG_HDRLEN + len(head) + len(attributes)), Sequence: 1,
			Type:  netlink.HeaderType(unix.NFNL_SUBSYS_NFTABLES<<8 | unix.NFT_MSG_GETSETELEM),
			Flags: netlink.Request | netlink.Dump,
		},
		Data: append(head, attributes...),
	}.MarshalBinary()
	if err != nil {
		return 0, err
	}
	if err := unix.Sendto(fd, ask, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return 0, fmt.Errorf("ask for set %s: %w", set, err)
	}
	n := 0
	buffer := make([]byte, dumpBuffer)
	for {
		size, _, err := unix.Recvfrom(fd, buffer, 0)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return 0, fmt.Errorf("read set %s: %w", set, err)
		}
		messages, err := syscall.ParseNetlinkMessage(buffer[:size])
		if err != nil {
			return 0, fmt.Errorf("read set %s: %w", set, err)
		}
		for _, m := range messages {
			switch {
			case m.Header.Flags&unix.NLM_F_DUMP_INTR != 0:
				return 0, fmt.Errorf("set %s changed while it was read", set)
			case m.Header.Type == unix.NLMSG_DONE:
				return n, nil
			case m.Header.Type == unix.NLMSG_ERROR:
				return 0, fmt.Errorf("read set %s: %w", set, errorIn(m.Data))
			case len(m.Data) < len(head):
				return 0, fmt.Errorf("set %s: the kernel's answer is cut off", set)
			}
			in, err := countElements(m.Data[len(head):])
			if err != nil {
				return 0, fmt.Errorf("set %s: %w", set, err)
			}
			n += in
		}
	}
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
