package xfrm

import (
	"bytes"
	"fmt"
	"unsafe"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"gatehouse/ipsec/sad"
)

// devices answers which network device leads to a peer, and what it can do, in the
// network namespace that it was opened in.
type devices struct {
	routes *netlink.Handle
	socket int
}

func openDevices() (*devices, error) {
	routes, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("open the kernel's routes: %w", err)
	}
	socket, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		routes.Close()
		return nil, err
	}
	return &devices{routes, socket}, nil
}

func (d *devices) close() error {
	d.routes.Close()
	return unix.Close(d.socket)
}

// encrypts is ethtool's name of what a device must be able to do.
const encrypts = "esp-hw-offload"

// Flags of struct xfrm_user_offload.
const (
	offloadIPv6    = 1
	offloadInbound = 2
)

// offload is struct xfrm_user_offload of the device that leads to the peer; nil if
// it does not encrypt, or the kernel would not let it.
func (d *devices) offload(sa sad.SA) []byte {
	if sa.Protocol != sad.ESP || sa.Encap != nil || sa.Outer.PadTo > 0 || sa.CPU != nil {
		return nil
	}
	routes, err := d.routes.RouteGetWithOptions(sa.Remote.AsSlice(), &netlink.RouteGetOptions{SrcAddr: sa.Local.AsSlice()})
	if err != nil || len(routes) == 0 {
		return nil
	}
	link, err := d.routes.LinkByIndex(routes[0].LinkIndex)
	if err != nil {
		return nil
	}
	if can, err := d.features(link.Attrs().Name); err != nil || !can[encrypts] {
		return nil
	}
	return offloadTo(link.Attrs().Index, sa)
}

func offloadTo(device int, sa sad.SA) []byte {
	var flags uint8
	if sa.Local.Is6() {
		flags |= offloadIPv6
	}
	if sa.Direction == sad.In {
		flags |= offloadInbound
	}
	w := writer{}
	w.u32(uint32(device))
	w.u8(flags)
	w.zero(3)
	return w.b
}

// Commands and sizes of linux/ethtool.h.
const (
	ethtoolStrings  = 0x1b
	ethtoolSetInfo  = 0x37
	ethtoolFeatures = 0x3a
	setOfFeatures   = 4
	lenOfString     = 32
)

// features are those that a device has, and whether they are in use.
func (d *devices) features(device string) (map[string]bool, error) {
	info := writer{}
	info.u32(ethtoolSetInfo)
	info.u32(0)
	info.u64(1 << setOfFeatures)
	info.u32(0)
	if err := d.ethtool(device, info.b); err != nil {
		return nil, err
	}
	n := int(native.Uint32(info.b[16:]))
	names := writer{}
	names.u32(ethtoolStrings)
	names.u32(setOfFeatures)
	names.u32(uint32(n))
	names.zero(n * lenOfString)
	if err := d.ethtool(device, names.b); err != nil {
		return nil, err
	}
	const word, block = 32, 16
	bits := writer{}
	bits.u32(ethtoolFeatures)
	bits.u32(uint32((n + word - 1) / word))
	bits.zero((n + word - 1) / word * block)
	if err := d.ethtool(device, bits.b); err != nil {
		return nil, err
	}
	out := map[string]bool{}
	for i := range n {
		name, _, _ := bytes.Cut(names.b[12+i*lenOfString:][:lenOfString], []byte{0})
		active := native.Uint32(bits.b[8+i/word*block+8:])
		out[string(name)] = active&(1<<(i%word)) != 0
	}
	return out, nil
}

// ethtool gives a command to a device, which writes its answer into it.
func (d *devices) ethtool(device string, command []byte) error {
	request := struct {
		name [unix.IFNAMSIZ]byte
		data unsafe.Pointer
		_    [16]byte
	}{data: unsafe.Pointer(&command[0])}
	copy(request.name[:unix.IFNAMSIZ-1], device)
	if _, _, no := unix.Syscall(unix.SYS_IOCTL, uintptr(d.socket), unix.SIOCETHTOOL, uintptr(unsafe.Pointer(&request))); no != 0 {
		return fmt.Errorf("features of %s: %w", device, no)
	}
	return nil
}
