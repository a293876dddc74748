package xfrm

import (
	"errors"
	"fmt"

	"github.com/vishvananda/netlink"
)

// openDevice makes or takes over the xfrm interface. It stays when this process
// ends, and with it its routes: packets for remote networks end there instead of
// leaving unprotected.
func openDevice(name string, ifID uint32, mtu int) error {
	link, err := netlink.LinkByName(name)
	if x, ok := link.(*netlink.Xfrmi); err == nil && (!ok || x.Ifid != ifID) {
		// The other data plane's, of an earlier start. Below its routes lie those
		// that let nothing out meanwhile.
		if err := netlink.LinkDel(link); err != nil {
			return fmt.Errorf("remove the %s %s: %w", link.Type(), name, err)
		}
		link, err = netlink.LinkByName(name)
	}
	var missing netlink.LinkNotFoundError
	switch {
	case errors.As(err, &missing):
		link = &netlink.Xfrmi{LinkAttrs: netlink.LinkAttrs{Name: name, MTU: mtu}, Ifid: ifID}
		if err := netlink.LinkAdd(link); err != nil {
			return fmt.Errorf("make the xfrm interface %s: %w", name, err)
		}
		if link, err = netlink.LinkByName(name); err != nil {
			return fmt.Errorf("device %s: %w", name, err)
		}
	case err != nil:
		return fmt.Errorf("device %s: %w", name, err)
	}
	if err := errors.Join(netlink.LinkSetMTU(link, mtu), netlink.LinkSetUp(link)); err != nil {
		return fmt.Errorf("bring up %s: %w", name, err)
	}
	return nil
}
