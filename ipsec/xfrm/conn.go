package xfrm

import (
	"fmt"
	"sync"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// conn speaks to the kernel's SAD and SPD in the network namespace that it was
// opened in. It is safe for concurrent use.
type conn struct {
	mu sync.Mutex
	c  *netlink.Conn
}

func dial() (*conn, error) {
	c, err := netlink.Dial(unix.NETLINK_XFRM, nil)
	if err != nil {
		return nil, fmt.Errorf("open the kernel's IPsec: %w", err)
	}
	return &conn{c: c}, nil
}

func (c *conn) close() error { return c.c.Close() }

// ask sends a request and gives the answers to it.
func (c *conn) ask(kind uint16, flags netlink.HeaderFlags, body []byte, attributes []netlink.Attribute) ([]netlink.Message, error) {
	text, err := netlink.MarshalAttributes(attributes)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.c.Execute(netlink.Message{
		Header: netlink.Header{Type: netlink.HeaderType(kind), Flags: netlink.Request | flags},
		Data:   append(append([]byte(nil), body...), text...),
	})
}

// do is ask for what has no answer but an acknowledgement.
func (c *conn) do(kind uint16, flags netlink.HeaderFlags, body []byte, attributes []netlink.Attribute) error {
	_, err := c.ask(kind, flags|netlink.Acknowledge, body, attributes)
	return err
}
