//go:build guest

package main

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"net/netip"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"gatehouse/ipsec"
	"gatehouse/ipsec/planetest"
	"gatehouse/ipsec/sad"
	"gatehouse/store"
)

// gatewayOn is this product with one of its data planes.
func gatewayOn(name string) planetest.Kind {
	return planetest.Kind{Name: name, OnTheWay: name == kernelPlane, Open: func(t testing.TB, h *planetest.Host) planetest.Plane {
		p, err := choice{name: name}.open(slog.Default(), func(netip.AddrPort, netip.AddrPort, []byte) {}, h.Event)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error, 1)
		go func() { done <- p.Run(ctx) }()
		t.Cleanup(func() {
			cancel()
			if err := <-done; err != nil {
				t.Errorf("the plane ended: %v", err)
			}
		})
		return p
	}}
}

// otherLinux does what the exported commands say and nothing else. Its routes
// lead into a device that swallows what no policy takes.
func otherLinux() planetest.Kind {
	return planetest.Kind{Name: "plain Linux", OnTheWay: true, Open: func(t testing.TB, h *planetest.Host) planetest.Plane {
		planetest.Run(t, "ip", "-n", h.NS, "link", "add", "ipsec0", "type", "dummy")
		planetest.Run(t, "ip", "-n", h.NS, "link", "set", "ipsec0", "up")
		openESPinUDP(t)
		return nil
	}}
}

// openESPinUDP is the socket that an admin's IKE daemon or a small program has to
// hold for ESP in UDP; no command does that.
func openESPinUDP(t testing.TB) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	const encapsulation, espInUDP = 100, 2
	if err := errors.Join(unix.SetsockoptInt(fd, unix.SOL_UDP, encapsulation, espInUDP), unix.Bind(fd, &unix.SockaddrInet4{Port: natTPort})); err != nil {
		t.Fatal(err)
	}
}

// between are two gateways that one side makes keys for and the other types in.
type between struct {
	hosts [2]*planetest.Host
	m     *ipsec.Manager
}

func newBetween(t *testing.T, plane string) *between {
	b := &between{hosts: planetest.Two(t, [2]planetest.Kind{gatewayOn(plane), otherLinux()})}
	p, ok := b.hosts[0].Plane.(ipsec.Plane)
	if !ok {
		t.Fatal("no data plane for a manager")
	}
	b.m = ipsec.New(ipsec.Options{Plane: p, Port: p, Log: slog.Default()})
	return b
}

// make makes the objects as the page does, and gives the commands for the other
// side; edit changes the SAs before.
func (b *between) make(t *testing.T, ask store.ByHand, v6 bool, edit func(*store.ManualSA)) (commands string) {
	t.Helper()
	ask.Name, ask.Here, ask.There = "peer", b.hosts[0].Outer(v6), b.hosts[1].Outer(v6)
	if ask.Mode == "tunnel" {
		for i, side := range []*[]store.AddressRange{&ask.Near, &ask.Far} {
			for _, p := range b.hosts[i].Inner {
				*side = append(*side, store.RangeOf(p))
			}
		}
	}
	made := ask.Make()
	for i := range made.ManualSAs {
		if edit != nil {
			edit(&made.ManualSAs[i])
		}
	}
	doc := store.Document{ManualSAs: made.ManualSAs, Policies: made.Policies}
	manual, err := byHand(doc, world{})
	if err != nil {
		t.Fatal(err)
	}
	if err := b.m.Apply(nil, manual); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.m.Apply(nil, ipsec.Manual{}); err != nil {
			t.Error(err)
		}
	})
	m, err := doc.Mirror("peer-out", "peer-in")
	if err != nil {
		t.Fatal(err)
	}
	return m.IPXfrm(nil)
}

// typed runs the commands on the other side as a person would.
func (b *between) typed(t *testing.T, commands string) {
	t.Helper()
	b.hosts[1].Run(t, "sh", "-e", "-c", commands)
	t.Cleanup(func() { b.hosts[1].Run(t, "sh", "-e", "-c", "ip xfrm policy flush; ip xfrm state flush") })
}

// targets are the addresses of a host that are protected.
func (b *between) targets(i int, mode string, v6 bool) (out []string) {
	if mode == "transport" {
		return []string{b.hosts[i].Outer(v6).String()}
	}
	for _, p := range b.hosts[i].Inner {
		out = append(out, p.Addr().String())
	}
	return out
}

// pass shows that pings pass from each side, and that each SA carried them: on the
// wire nothing else than ESP and AH gets through.
func (b *between) pass(t *testing.T, mode string, v6 bool) {
	t.Helper()
	const pings = 2
	expected := uint64(0)
	for i := range b.hosts {
		for _, to := range b.targets(1-i, mode, v6) {
			b.hosts[i].Run(t, "ping", "-q", "-c", "2", "-i", "0.02", "-W", "5", to)
			expected += pings
		}
	}
	shown, total := b.m.Associations(func(ipsec.Association) bool { return true }, 0, 10)
	for _, a := range shown {
		if a.Direction == sad.Out && b.hosts[0].Kind.Name == kernelPlane && (a.Usage.PathMTU > 1500 || a.Usage.PathMTU < 1400) {
			t.Errorf("%s: the way is said to carry %d bytes", a.Owner, a.Usage.PathMTU)
		}
	}
	all := b.m.ManualStatus()
	if total != len(all) {
		t.Errorf("the database has %d SAs, not %d", total, len(all))
	}
	if len(all) < 2 {
		t.Fatalf("SAs: %+v", all)
	}
	for _, sa := range all {
		if sa.State != ipsec.InUse || sa.Usage.Packets < expected || sa.Usage.Invalid+sa.Usage.Refused+sa.Usage.Replayed > 0 {
			t.Errorf("%s carried less than %d packets: %+v", sa.Name, expected, sa)
		}
	}
}

// TestKernelExportedCommandsMakeTheOtherSide types what the page shows into a
// plain Linux: ESP, AH and both, tunnels and hosts, over both families.
func TestKernelExportedCommandsMakeTheOtherSide(t *testing.T) {
	b := newBetween(t, kernelPlane)
	esn := false // of every other one
	for _, protocol := range []string{"esp", "ah", "esp+ah"} {
		for _, mode := range []string{"tunnel", "transport"} {
			for _, v6 := range []bool{false, true} {
				name := protocol + " " + mode + map[bool]string{false: " over IPv4", true: " over IPv6"}[v6] + map[bool]string{true: " with ESN"}[esn]
				t.Run(name, func(t *testing.T) {
					b.typed(t, b.make(t, store.ByHand{Mode: mode, Protocol: protocol, ESN: esn}, v6, nil))
					b.pass(t, mode, v6)
				})
				esn = !esn
			}
			esn = !esn
		}
	}
	t.Run("esp in UDP", func(t *testing.T) {
		b.typed(t, b.make(t, store.ByHand{Mode: "tunnel"}, false, func(s *store.ManualSA) { s.UDPPort = natTPort }))
		b.pass(t, "tunnel", false)
	})
	t.Run("with lifetimes and a large window", func(t *testing.T) {
		b.typed(t, b.make(t, store.ByHand{Mode: "tunnel", ESN: true}, false, func(s *store.ManualSA) {
			s.SoftHours, s.HardHours, s.HardMegabytes, s.HardPackets, s.ReplayWindow = 1, 2, 3, 4000, 4096
		}))
		b.pass(t, "tunnel", false)
		if out := b.hosts[1].Run(t, "ip", "-s", "xfrm", "state"); strings.Count(out, "hard 7200(sec)") != 2 || strings.Count(out, "hard 4000(packets)") != 2 {
			t.Errorf("the lifetimes are not there:\n%s", out)
		}
	})
}

// TestKernelExportedAlgorithms types each algorithm that keys can be given to, an
// integrity check beside each encryption.
func TestKernelExportedAlgorithms(t *testing.T) {
	b := newBetween(t, userspacePlane)
	encryptions, integrities := store.AlgorithmsByHand()
	checks := slices.Sorted(maps.Keys(integrities))
	for i, encryption := range slices.Sorted(maps.Keys(encryptions)) {
		integrity := checks[i%len(checks)]
		t.Run(encryption+" with "+integrity, func(t *testing.T) {
			b.typed(t, b.make(t, store.ByHand{Mode: "tunnel"}, false, func(s *store.ManualSA) {
				all := s.IntegrityKey + s.EncryptionKey
				s.Legacy, s.Encryption, s.Integrity = true, encryption, integrity
				s.EncryptionKey, s.IntegrityKey = all[64:][:2*encryptions[encryption]], all[:2*integrities[integrity]]
			}))
			b.pass(t, "tunnel", false)
		})
	}
}

// TestKernelOtherKeysDoNotPass spoils one digit of the keys that are typed.
func TestKernelOtherKeysDoNotPass(t *testing.T) {
	for _, plane := range []string{kernelPlane, userspacePlane} {
		t.Run(plane, func(t *testing.T) {
			b := newBetween(t, plane)
			for _, v6 := range []bool{false, true} {
				var first string
				commands := b.make(t, store.ByHand{Mode: "tunnel"}, v6, func(s *store.ManualSA) {
					if s.Direction == store.In {
						first = s.IntegrityKey.Reveal()
					}
				})
				digit := map[bool]string{true: "1", false: "0"}[strings.HasPrefix(first, "0")]
				b.typed(t, strings.Replace(commands, "0x"+first, "0x"+digit+first[1:], 1))
				for _, to := range b.targets(0, "tunnel", v6) {
					if out, err := exec.Command("ip", "netns", "exec", b.hosts[1].NS, "ping", "-q", "-c", "2", "-i", "0.02", "-W", "1", to).CombinedOutput(); err == nil {
						t.Errorf("another key passes to %s: %s", to, out)
					}
				}
				in := slices.IndexFunc(b.m.ManualStatus(), func(s ipsec.ManualStatus) bool { return strings.HasSuffix(s.Name, "-in") })
				if u := b.m.ManualStatus()[in].Usage; u.Invalid < 4 || u.Packets != 0 {
					t.Errorf("%+v", u)
				}
				// Debian's kernels may be built without these counters; then they are not known.
				if all, known := b.m.Refused(); known && all[sad.BadICV] < 4 || !known && plane == userspacePlane {
					t.Errorf("refused: %v, %v", all, known)
				}
				if err := b.m.Apply(nil, ipsec.Manual{}); err != nil {
					t.Fatal(err)
				}
				b.hosts[1].Run(t, "sh", "-e", "-c", "ip xfrm policy flush; ip xfrm state flush")
			}
		})
	}
}
