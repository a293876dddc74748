package esp

import (
	"fmt"
	"os"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
	"golang.zx2c4.com/wireguard/tun"
)

// openTUN makes or takes over the device. It is persistent: it, its routes and
// the firewall's rules stay in force when this process dies, and packets for
// remote networks end there instead of leaving unprotected.
func openTUN(name string, mtu int) (tun.Device, error) {
	if link, err := netlink.LinkByName(name); err == nil {
		if _, ours := link.(*netlink.Tuntap); !ours {
			// The kernel data plane's, of an earlier start. Below its routes lie
			// those that let nothing out meanwhile.
			if err := netlink.LinkDel(link); err != nil {
				return nil, fmt.Errorf("remove the %s %s: %w", link.Type(), name, err)
			}
		}
	}
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open /dev/net/tun: %w", err)
	}
	file, err := attach(fd, name)
	if err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("device %s: %w", name, err)
	}
	dev, err := tun.CreateTUNFromFile(file, mtu)
	if err != nil {
		file.Close()
		return nil, fmt.Errorf("device %s: %w", name, err)
	}
	link, err := netlink.LinkByName(name)
	if err == nil {
		err = netlink.LinkSetUp(link)
	}
	if err != nil {
		dev.Close()
		return nil, fmt.Errorf("bring up %s: %w", name, err)
	}
	return dev, nil
}

func attach(fd int, name string) (*os.File, error) {
	req, err := unix.NewIfreq(name)
	if err != nil {
		return nil, err
	}
	req.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI | unix.IFF_VNET_HDR)
	if err := unix.IoctlIfreq(fd, unix.TUNSETIFF, req); err != nil {
		return nil, fmt.Errorf("TUNSETIFF: %w", err)
	}
	if err := unix.IoctlSetInt(fd, unix.TUNSETPERSIST, 1); err != nil {
		return nil, fmt.Errorf("TUNSETPERSIST: %w", err)
	}
	if err := unix.SetNonblock(fd, true); err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), "/dev/net/tun"), nil
}
