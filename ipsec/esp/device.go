package esp

import (
	"fmt"
	"os"
	"syscall"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// device is the TUN. One goroutine reads it; any may write.
type device struct {
	file *os.File
	conn syscall.RawConn
	// udp says that the kernel takes and gives joined UDP datagrams (Linux 6.2).
	udp bool

	// Of read.
	big      []byte
	segments segments
	bufs     [][]byte
	sizes    []int
	room, n  int
	err      error
	receive  func(fd uintptr) bool
}

// maxPacket is the length of the largest IP packet in bytes.
const maxPacket = 65535

// openTUN makes or takes over the device. It is persistent: it, its routes and
// the firewall's rules stay in force when this process dies, and packets for
// remote networks end there instead of leaving unprotected.
func openTUN(name string, mtu int) (*device, error) {
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
	d := &device{big: make([]byte, vnetLen+maxPacket)}
	if d.udp, err = attach(fd, name); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("device %s: %w", name, err)
	}
	d.file = os.NewFile(uintptr(fd), "/dev/net/tun")
	d.receive = d.fill
	if d.conn, err = d.file.SyscallConn(); err == nil {
		err = bringUp(name, mtu)
	}
	if err != nil {
		d.close()
		return nil, fmt.Errorf("bring up %s: %w", name, err)
	}
	return d, nil
}

func bringUp(name string, mtu int) error {
	link, err := netlink.LinkByName(name)
	if err != nil {
		return err
	}
	if err := netlink.LinkSetMTU(link, mtu); err != nil {
		return err
	}
	return netlink.LinkSetUp(link)
}

// attach makes the descriptor the device's. It says whether the kernel joins UDP
// datagrams, too.
func attach(fd int, name string) (udp bool, err error) {
	req, err := unix.NewIfreq(name)
	if err != nil {
		return false, err
	}
	req.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI | unix.IFF_VNET_HDR)
	if err := unix.IoctlIfreq(fd, unix.TUNSETIFF, req); err != nil {
		return false, fmt.Errorf("TUNSETIFF: %w", err)
	}
	if err := unix.IoctlSetInt(fd, unix.TUNSETPERSIST, 1); err != nil {
		return false, fmt.Errorf("TUNSETPERSIST: %w", err)
	}
	const tcp = unix.TUN_F_CSUM | unix.TUN_F_TSO4 | unix.TUN_F_TSO6 | unix.TUN_F_TSO_ECN
	if err := unix.IoctlSetInt(fd, unix.TUNSETOFFLOAD, tcp); err != nil {
		return false, fmt.Errorf("TUNSETOFFLOAD: %w", err)
	}
	udp = unix.IoctlSetInt(fd, unix.TUNSETOFFLOAD, tcp|unix.TUN_F_USO4|unix.TUN_F_USO6) == nil
	return udp, unix.SetNonblock(fd, true)
}

func (d *device) close() error { return d.file.Close() }

// read waits for packets and puts as many as there are into bufs, each behind
// room bytes. An error is for good.
func (d *device) read(bufs [][]byte, sizes []int, room int) (int, error) {
	d.bufs, d.sizes, d.room, d.n, d.err = bufs, sizes, room, 0, nil
	if d.conn.Read(d.receive) != nil {
		return 0, os.ErrClosed // there is no other reason
	}
	return d.n, d.err
}

// fill is one attempt of read. What does not fit of a large packet stays for the
// next read; where that is likely none is taken, because whole ones are sent with
// fewer messages.
func (d *device) fill(fd uintptr) bool {
	for d.n < len(d.bufs) {
		if size := d.segments.next(d.bufs[d.n][d.room:]); size > 0 {
			d.sizes[d.n] = size
			d.n++
			continue
		}
		if d.n > 0 && len(d.bufs)-d.n < maxSegments {
			return true
		}
		n, err := unix.Read(int(fd), d.big)
		switch err {
		case nil:
			d.segments.begin(d.big[:n])
		case unix.EINTR:
		case unix.EAGAIN:
			return d.n > 0
		case unix.EBADFD:
			d.err = os.ErrClosed // the device was deleted
			return true
		default:
			d.err = fmt.Errorf("read packets of the device: %w", err)
			return true
		}
	}
	return true
}

// deviceWriter writes to the device, joining what belongs together. Each
// goroutine has its own.
type deviceWriter struct {
	d      *device
	joiner *joiner
	head   [vnetLen]byte
	iov    []unix.Iovec
	err    error
	send   func(fd uintptr) bool
}

func (d *device) writer() *deviceWriter {
	w := &deviceWriter{d: d, joiner: newJoiner(d.udp)}
	w.send = w.writev
	return w
}

// flush writes the packets that were added and gives how many could not be.
func (w *deviceWriter) flush() (failed int) {
	for i := range w.joiner.out {
		o := &w.joiner.out[i]
		o.header().put(w.head[:])
		w.iov = append(w.iov[:0], iovec(w.head[:]), iovec(o.ip))
		if o.count > 1 {
			for n := o.first; n >= 0; n = w.joiner.pieces[n].next {
				w.iov = append(w.iov, iovec(w.joiner.pieces[n].b))
			}
		}
		if err := w.d.conn.Write(w.send); err != nil || w.err != nil {
			failed += o.count
		}
	}
	w.joiner.reset()
	return failed
}

func (w *deviceWriter) writev(fd uintptr) bool {
	for {
		w.err = writev(int(fd), w.iov)
		if w.err != unix.EINTR {
			return w.err != unix.EAGAIN
		}
	}
}
