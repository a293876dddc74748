package office

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// Host is one namespace: a machine of the lab.
type Host struct {
	Name string
	ns   netns.NsHandle
}

// newHost makes a machine with its loopback up.
func newHost(name string) (*Host, error) {
	h := &Host{Name: name}
	err := onThread(func() error {
		var err error
		if h.ns, err = netns.NewNamed(name); err != nil {
			return fmt.Errorf("make namespace %s: %w", name, err)
		}
		lo, err := netlink.LinkByName("lo")
		if err != nil {
			return err
		}
		return netlink.LinkSetUp(lo)
	})
	return h, err
}

// onThread runs f on a thread of its own, which ends with it, so that f may
// change the thread's namespace.
func onThread(f func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		done <- f()
	}()
	return <-done
}

// Do runs f as this machine: sockets it opens and processes it starts belong
// there.
func (h *Host) Do(f func() error) error {
	return onThread(func() error {
		if err := netns.Set(h.ns); err != nil {
			return fmt.Errorf("enter %s: %w", h.Name, err)
		}
		return f()
	})
}

// Command prepares a program that will run on this machine; start it with
// Start.
func (h *Host) Command(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = append(os.Environ(), "PATH="+os.Getenv("PATH")+":/usr/sbin:/sbin")
	// The lab is the first process of its namespace, so the children end with
	// it; a terminal's Ctrl-C is for the lab alone.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	return cmd
}

// Start starts a command on this machine.
func (h *Host) Start(cmd *exec.Cmd) error { return h.Do(cmd.Start) }

// Output runs a program on this machine and gives what it printed.
func (h *Host) Output(ctx context.Context, name string, args ...string) (string, error) {
	cmd := h.Command(ctx, name, args...)
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := h.Start(cmd); err != nil {
		return "", err
	}
	err := cmd.Wait()
	if err != nil {
		err = fmt.Errorf("%s on %s: %w: %s", name, h.Name, err, strings.TrimSpace(out.String()))
	}
	return out.String(), err
}

// Dial connects from this machine.
func (h *Host) Dial(ctx context.Context, network, addr string) (net.Conn, error) {
	var conn net.Conn
	err := h.Do(func() (err error) {
		conn, err = (&net.Dialer{Timeout: 2 * time.Second}).DialContext(ctx, network, addr)
		return err
	})
	return conn, err
}

// Client is an HTTP client on this machine.
func (h *Host) Client() *http.Client {
	return &http.Client{Timeout: 2 * time.Minute, Transport: &http.Transport{DialContext: h.Dial, DisableKeepAlives: true}}
}

// address gives a device of this machine addresses and brings it up.
func (h *Host) address(device string, prefixes ...string) error {
	return h.Do(func() error {
		link, err := netlink.LinkByName(device)
		if err != nil {
			return fmt.Errorf("%s: %s: %w", h.Name, device, err)
		}
		if err := netlink.LinkSetUp(link); err != nil {
			return err
		}
		for _, p := range prefixes {
			addr, err := netlink.ParseAddr(p)
			if err != nil {
				return err
			}
			// Nobody else is on these cables; do not wait for duplicates.
			addr.Flags |= unix.IFA_F_NODAD
			if err := netlink.AddrAdd(link, addr); err != nil {
				return fmt.Errorf("%s: %s: %w", h.Name, p, err)
			}
		}
		return nil
	})
}

// route sends a network by a next hop.
func (h *Host) route(destination, via string) error {
	return h.Do(func() error {
		_, dst, err := net.ParseCIDR(destination)
		if err != nil {
			return err
		}
		r := &netlink.Route{Dst: dst, Gw: net.ParseIP(via)}
		if err := netlink.RouteReplace(r); err != nil {
			return fmt.Errorf("%s: route %s via %s: %w", h.Name, destination, via, err)
		}
		return nil
	})
}

// router lets this machine forward.
func (h *Host) router() error {
	return h.Do(func() error {
		for _, f := range []string{"/proc/sys/net/ipv4/ip_forward", "/proc/sys/net/ipv6/conf/all/forwarding"} {
			if err := os.WriteFile(f, []byte("1"), 0); err != nil {
				return err
			}
		}
		return nil
	})
}

// cable joins two machines.
func cable(a *Host, aDevice string, b *Host, bDevice string) error {
	return onThread(func() error {
		if err := netns.Set(a.ns); err != nil {
			return err
		}
		err := netlink.LinkAdd(&netlink.Veth{
			LinkAttrs: netlink.LinkAttrs{Name: aDevice}, PeerName: bDevice, PeerNamespace: netlink.NsFd(b.ns),
		})
		if err != nil {
			return fmt.Errorf("cable %s %s to %s %s: %w", a.Name, aDevice, b.Name, bDevice, err)
		}
		return nil
	})
}

// bridge joins devices of this machine to one network and gives it addresses.
func (h *Host) bridge(name string, devices []string, prefixes ...string) error {
	err := h.Do(func() error {
		br := &netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: name}}
		if err := netlink.LinkAdd(br); err != nil {
			return fmt.Errorf("%s: bridge %s: %w", h.Name, name, err)
		}
		for _, d := range devices {
			link, err := netlink.LinkByName(d)
			if err != nil {
				return err
			}
			if err := netlink.LinkSetMaster(link, br); err != nil {
				return err
			}
			if err := netlink.LinkSetUp(link); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return h.address(name, prefixes...)
}

// serve answers HTTP on this machine: /bytes/N sends N bytes, /whoami says who
// asked.
func (h *Host) serve(addr string) error {
	var listener net.Listener
	err := h.Do(func() (err error) {
		listener, err = net.Listen("tcp", addr)
		return err
	})
	if err != nil {
		return fmt.Errorf("%s: %w", h.Name, err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /bytes/{n}", func(w http.ResponseWriter, r *http.Request) {
		var n int64
		if _, err := fmt.Sscan(r.PathValue("n"), &n); err != nil || n < 0 || n > 1<<31 {
			http.Error(w, "how many?", http.StatusBadRequest)
			return
		}
		pattern(w, n)
	})
	mux.HandleFunc("GET /whoami", func(w http.ResponseWriter, r *http.Request) {
		ap, err := netip.ParseAddrPort(r.RemoteAddr)
		if err == nil {
			fmt.Fprint(w, ap.Addr())
		}
	})
	go http.Serve(listener, mux)
	return nil
}
