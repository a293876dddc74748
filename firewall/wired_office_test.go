package firewall

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// wiredOffice is a gateway whose lines all end in this test: it puts frames of
// its own on them and sees what comes out, so that a packet may come from any
// address, Ethernet address and class. Nothing is learned or answered there,
// and what the kernel decided is read from its counters, so that no packet has
// to be waited for that does not come.
//
//	lan0  10.1.0.0/24 fd00:1::/64     wan0  203.0.113.0/24 2001:db8:1::/64, the rest
//	guest0  10.9.0.0/24 fd00:9::/64   ipsec0  10.2.0.0/16 fd00:2::/32
type wiredOffice struct {
	t       testing.TB
	gateway *space
	lines   map[string]*line // by the gateway's device
	local   []local          // after the firewall
	applier *Applier
	number  uint32
}

// line is the far end of a device.
type line struct {
	socket int
	far    MAC // what sends and receives there unless a flow says otherwise
	near   MAC // the gateway's
}

// local is a raw socket of the gateway itself.
type local struct {
	socket, family int
	protocol       uint8
}

var wires = []struct {
	device    string
	addresses []string
	networks  []string // behind it
	hosts     []string
}{
	{"wan0", []string{gatewayWAN4 + "/24", gatewayWAN6 + "/64"}, []string{"default", "default"}, []string{wanHost4, wanHost6, peer4, peer6}},
	{"lan0", []string{gatewayLAN4 + "/24", gatewayLAN6 + "/64"}, nil, []string{lanHost4, lanHost6, "10.1.0.9", "fd00:1::9"}},
	{"guest0", []string{"10.9.0.1/24", "fd00:9::1/64"}, nil, []string{"10.9.0.2", "fd00:9::2"}},
	{"ipsec0", []string{"169.254.9.1/30", "fd00:ff::1/64"}, []string{"10.2.0.0/16", "fd00:2::/32"}, []string{"169.254.9.2", "fd00:ff::2"}},
}

func newWiredOffice(t testing.TB) *wiredOffice {
	t.Helper()
	o := &wiredOffice{t: t, gateway: newSpace(t), lines: map[string]*line{}, applier: NewApplier(quiet())}
	far := newSpace(t)
	script := "echo 1 > /proc/sys/net/ipv4/ip_forward; echo 1 > /proc/sys/net/ipv6/conf/all/forwarding\n"
	for i, w := range wires {
		l := &line{far: MAC{2, 0, 0, 0, 1, byte(i)}, near: MAC{2, 0, 0, 0, 2, byte(i)}}
		o.lines[w.device] = l
		o.gateway.sh("ip link add %s address %s type veth peer name %s address %s netns /proc/%d/fd/%d", w.device, l.near, w.device, l.far, unix.Getpid(), int(far.handle))
		far.sh("echo 1 > /proc/sys/net/ipv6/conf/%s/disable_ipv6; ip link set %s arp off up", w.device, w.device)
		script += "ip link set " + w.device + " up\n"
		for _, a := range w.addresses {
			script += fmt.Sprintf("ip addr add %s dev %s %s\n", a, w.device, nodad(a))
		}
		for _, h := range w.hosts {
			script += fmt.Sprintf("ip neigh replace %s lladdr %s dev %s nud permanent\n", h, l.far, w.device)
		}
		for j, n := range w.networks {
			script += fmt.Sprintf("ip %s route add %s dev %s via %s\n", map[bool]string{true: "-6", false: "-4"}[j == 1], n, w.device, w.hosts[j])
		}
		far.do(func() { l.socket = o.socket(unix.AF_PACKET, int(htons(unix.ETH_P_ALL)), w.device) })
	}
	o.gateway.sh("%s", script)
	o.gateway.do(func() {
		for _, p := range []uint8{unix.IPPROTO_TCP, unix.IPPROTO_UDP, unix.IPPROTO_ICMP, unix.IPPROTO_ICMPV6, 99, 200, 253} {
			for _, family := range []int{unix.AF_INET, unix.AF_INET6} {
				o.local = append(o.local, local{o.socket(family, int(p), ""), family, p})
			}
		}
	})
	return o
}

func htons(n uint16) uint16 { return binary.BigEndian.Uint16(binary.NativeEndian.AppendUint16(nil, n)) }

// socket is a raw socket that never blocks, of a device or of a protocol.
func (o *wiredOffice) socket(family, protocol int, device string) int {
	o.t.Helper()
	fd, err := unix.Socket(family, unix.SOCK_RAW|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, protocol)
	if err != nil {
		o.t.Fatalf("raw socket of protocol %d: %v", protocol, err)
	}
	o.t.Cleanup(func() { unix.Close(fd) })
	err = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 4<<20)
	if device != "" && err == nil {
		var i *net.Interface
		if i, err = net.InterfaceByName(device); err == nil {
			err = unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: htons(unix.ETH_P_ALL), Ifindex: i.Index})
		}
	}
	if err != nil {
		o.t.Errorf("raw socket of protocol %d: %v", protocol, err)
	}
	return fd
}

// policy is what the wired office has of interfaces and tunnels.
func (o *wiredOffice) policy() Policy {
	p := language()
	p.Rules, p.Defaults, p.AdminZones, p.Masquerade = nil, nil, nil, false
	p.IKE = []IKEPeer{{netip.MustParseAddr(peer4)}, {netip.MustParseAddr(peer6)}}
	return p
}

func (o *wiredOffice) apply(p Policy) {
	o.t.Helper()
	r := mustCompile(o.t, p)
	var err error
	o.gateway.do(func() { err = o.applier.Apply(context.Background(), r) })
	if err != nil {
		o.t.Fatal(err)
	}
}

// deviceOf is the line that an address is on.
func deviceOf(a netip.Addr) string {
	for device, networks := range map[string][]netip.Prefix{
		"lan0": prefixes("10.1.0.0/24", "fd00:1::/64"), "guest0": prefixes("10.9.0.0/24", "fd00:9::/64"), "ipsec0": prefixes("10.2.0.0/16", "fd00:2::/32"),
	} {
		for _, n := range networks {
			if n.Contains(a) {
				return device
			}
		}
	}
	return "wan0"
}

// put puts the first packet of a flow on the line of its source and gives the
// number by which seen knows it.
func (o *wiredOffice) put(f Flow) uint32 {
	o.t.Helper()
	o.number++
	o.again(f, o.number)
	return o.number
}

// again repeats the first packet of a flow.
func (o *wiredOffice) again(f Flow, number uint32) {
	o.t.Helper()
	o.on(o.lines[deviceOf(f.Source)], f, number)
}

// on puts a flow on a line.
func (o *wiredOffice) on(l *line, f Flow, number uint32) {
	o.t.Helper()
	if f.MAC == (MAC{}) {
		f.MAC = l.far
	}
	if _, err := unix.Write(l.socket, craft(f, l.near, number)); err != nil {
		o.t.Fatalf("put %+v on the line: %v", f, err)
	}
}

// here is where packets for the gateway itself are seen.
const here = "here"

// seen is where packets came out since it was last asked, by their number: a
// device, or here.
func (o *wiredOffice) seen() map[uint32]string {
	o.t.Helper()
	out := map[uint32]string{}
	buffer := make([]byte, 2048)
	for device, l := range o.lines {
		for {
			n, from, err := unix.Recvfrom(l.socket, buffer, 0)
			if err != nil {
				o.drained(err)
				break
			}
			if from.(*unix.SockaddrLinklayer).Pkttype == unix.PACKET_OUTGOING || n < 14 {
				continue
			}
			if number, ok := numberOf(buffer[14:n]); ok {
				out[number] = device
			}
		}
	}
	for _, l := range o.local {
		for {
			n, _, err := unix.Recvfrom(l.socket, buffer, 0)
			if err != nil {
				o.drained(err)
				break
			}
			// A raw socket of IPv6 gives what is above IP.
			number, ok := numberOf(buffer[:n])
			if l.family == unix.AF_INET6 {
				number, ok = numberAbove(l.protocol, buffer[:n])
			}
			if ok {
				out[number] = here
			}
		}
	}
	return out
}

func (o *wiredOffice) drained(err error) {
	if !errors.Is(err, unix.EAGAIN) {
		o.t.Fatalf("read a raw socket: %v", err)
	}
}

// counts are what every rule has decided so far.
func (o *wiredOffice) counts() map[string]uint64 {
	o.t.Helper()
	var list []Counter
	var err error
	o.gateway.do(func() { list, err = o.applier.Counters(context.Background()) })
	if err != nil {
		o.t.Fatal(err)
	}
	out := map[string]uint64{}
	for _, c := range list {
		out[c.Rule] = c.Packets
	}
	return out
}

// forget ends all connections, so that none covers what comes.
func (o *wiredOffice) forget() {
	o.t.Helper()
	var err error
	o.gateway.do(func() {
		var h *netlink.Handle
		if h, err = netlink.NewHandle(unix.NETLINK_NETFILTER); err == nil {
			err = h.ConntrackTableFlush(netlink.ConntrackTable)
			h.Close()
		}
	})
	if err != nil {
		o.t.Fatal(err)
	}
}

// soon waits for something that must happen.
func soon(what func() bool) bool {
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		if what() {
			return true
		}
	}
	return what()
}

// decides puts a flow on its line and says what is wrong if it is not decided
// as meant: by which rule, and whether it comes out where it is led to. A rule
// without an ID does not count.
func (o *wiredOffice) decides(name string, f Flow, passes bool, by string) {
	o.t.Helper()
	before := o.counts()
	number := o.put(f)
	after := before
	if by != "" && !soon(func() bool { after = o.counts(); return after[by] == before[by]+1 }) {
		o.t.Errorf("%s: was not decided by %s, but by %v", name, by, grown(before, after))
	}
	where := ""
	found := func() bool { where = o.seen()[number]; return where != "" }
	switch {
	case passes && !soon(found):
		o.t.Errorf("%s: did not come out", name)
	case !passes && found():
		o.t.Errorf("%s: came out at %s", name, where)
	}
}

// grown are the rules that decided something.
func grown(before, after map[string]uint64) map[string]uint64 {
	out := map[string]uint64{}
	for id, n := range after {
		if n != before[id] {
			out[id] = n - before[id]
		}
	}
	return out
}
