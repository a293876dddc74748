package planetest

import (
	"bytes"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"gatehouse/ipsec/crypto"
	"gatehouse/ipsec/sad"
)

// Link is how two hosts protect what goes between them.
type Link struct {
	Needs []sad.Need
	// Suites are those of the needs.
	Suites []string
	Outer6 bool
	ESN    bool
	UDP    bool
}

func (l Link) String() string {
	var words []string
	for i, n := range l.Needs {
		words = append(words, map[sad.Protocol]string{sad.ESP: "ESP", sad.AH: "AH"}[n.Protocol]+
			map[sad.Mode]string{sad.Tunnel: " tunnel ", sad.Transport: " transport "}[n.Mode]+l.Suites[i])
	}
	text := strings.Join(words, " in ") + map[bool]string{false: " over IPv4", true: " over IPv6"}[l.Outer6]
	if l.ESN {
		text += " with ESN"
	}
	if l.UDP {
		text += " in UDP"
	}
	return text
}

// InUDP is a tunnel of ESP in UDP.
func InUDP(suite string) Link {
	l := tunnel(sad.ESP, suite)
	l.UDP = true
	return l
}

func tunnel(p sad.Protocol, suite string) Link {
	return Link{Needs: []sad.Need{{Protocol: p}}, Suites: []string{suite}}
}

// HostToHost says whether all is between the hosts themselves.
func (l Link) HostToHost() bool {
	return !slices.ContainsFunc(l.Needs, func(n sad.Need) bool { return n.Mode == sad.Tunnel })
}

// Links are each protocol and mode, and AH around ESP, over both families.
func Links() (all []Link) {
	const esp, ah = "aes256gcm16", "sha256"
	one := func(p sad.Protocol, m sad.Mode, suite string) Link {
		return Link{Needs: []sad.Need{{Protocol: p, Mode: m}}, Suites: []string{suite}}
	}
	for _, outer6 := range []bool{false, true} {
		add := func(l Link) { l.Outer6 = outer6; all = append(all, l) }
		for _, mode := range []sad.Mode{sad.Tunnel, sad.Transport} {
			for _, esn := range []bool{false, true} {
				for _, l := range []Link{one(sad.ESP, mode, esp), one(sad.AH, mode, ah)} {
					l.ESN = esn
					add(l)
				}
			}
			udp := one(sad.ESP, mode, esp)
			udp.UDP = true
			add(udp)
		}
		add(Link{Needs: []sad.Need{{Protocol: sad.ESP, Mode: sad.Transport}, {Protocol: sad.AH, Mode: sad.Transport}}, Suites: []string{"aes128-sha1", "sha384"}})
		add(Link{Needs: []sad.Need{{Protocol: sad.ESP, Mode: sad.Tunnel}, {Protocol: sad.AH, Mode: sad.Transport}}, Suites: []string{esp, "sha512"}})
	}
	return all
}

// Suites are a link for each transform that both planes have.
func Suites() (all []Link) {
	for _, e := range crypto.Encryptions() {
		name := e.Name
		if !e.AEAD {
			name += "-sha256"
		}
		all = append(all, Link{Needs: []sad.Need{{Protocol: sad.ESP}}, Suites: []string{name}})
	}
	for _, i := range crypto.Integrities() {
		if !i.AH { // the kernel has no AH with GMAC
			all = append(all, Link{Needs: []sad.Need{{Protocol: sad.ESP}}, Suites: []string{"aes128-" + i.Name}},
				Link{Needs: []sad.Need{{Protocol: sad.AH}}, Suites: []string{i.Name}})
		}
	}
	return all
}

// Suite reads the name of a suite of ESP or AH.
func Suite(t testing.TB, p sad.Protocol, name string) crypto.Suite {
	t.Helper()
	parse := crypto.ParseESPSuite
	if p == sad.AH {
		parse = crypto.ParseAHSuite
	}
	s, err := parse(name)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func selectors(all ...netip.Prefix) (out []sad.Selector) {
	for _, p := range all {
		out = append(out, sad.SelectorFromPrefix(p))
	}
	return out
}

func single(a netip.Addr) netip.Prefix { return netip.PrefixFrom(a, a.BitLen()) }

// SA is one of a link: the kth need of host i, in one direction.
func (l Link) SA(t testing.TB, hosts [2]*Host, i, k int, d sad.Direction, first sad.SPI) sad.SA {
	h, peer, from := hosts[i], hosts[1-i], i
	if d == sad.In {
		from = 1 - i
	}
	n := l.Needs[k]
	s := Suite(t, n.Protocol, l.Suites[k])
	enc, integ := crypto.ChildKeySizes(s)
	spi := first + sad.SPI(2*k+from)
	local, remote := l.selectors(h, peer)
	sa := sad.SA{
		SPI: spi, Protocol: n.Protocol, Mode: n.Mode, Direction: d, Policy: 1, Suite: s, ESN: l.ESN,
		Local: h.Outer(l.Outer6), Remote: peer.Outer(l.Outer6), LocalTS: local, RemoteTS: remote,
		EncryptionKey: key(byte(spi), enc), IntegrityKey: key(byte(spi)+1, integ),
	}
	if d == sad.In {
		sa.ReplayWindow = 1024
	}
	if l.UDP {
		sa.Encap = &sad.Encap{LocalPort: 4500, RemotePort: 4500}
	}
	return sa
}

// key is one that no cipher calls weak.
func key(seed byte, n int) []byte {
	b := bytes.Repeat([]byte{seed}, n)
	for i := range b {
		b[i] += byte(i * 37)
	}
	return b
}

func (l Link) selectors(h, peer *Host) (local, remote []sad.Selector) {
	if l.HostToHost() {
		return selectors(single(h.Outer(l.Outer6))), selectors(single(peer.Outer(l.Outer6)))
	}
	return selectors(h.Inner...), selectors(peer.Inner...)
}

// Bind makes both hosts protect traffic so, with SPIs from first on. edit, if it
// is not nil, changes SAs before they are installed.
func (l Link) Bind(t testing.TB, hosts [2]*Host, first sad.SPI, edit func(*sad.SA)) {
	t.Helper()
	for i, h := range hosts {
		h.Protect(t, hosts[1-i], l)
	}
	l.Install(t, hosts, first, edit)
	for i, h := range hosts {
		if l.HostToHost() && !h.Kind.OnTheWay {
			h.throughTheDevice(t, hosts[1-i].Outer(l.Outer6), h.Outer(l.Outer6))
		}
	}
	t.Cleanup(func() {
		for _, h := range hosts {
			if err := h.Plane.SetPolicies(nil); err != nil {
				t.Error(err)
			}
		}
	})
}

// Protect makes the link the only policy of the host.
func (h *Host) Protect(t testing.TB, peer *Host, l Link) {
	t.Helper()
	local, remote := l.selectors(h, peer)
	if err := h.Plane.SetPolicies([]sad.Policy{{ID: 1, Name: "peer", Action: sad.Protect, LocalTS: local, RemoteTS: remote, Needs: l.Needs}}); err != nil {
		t.Fatal(err)
	}
}

// Install gives both hosts SAs with SPIs from first on: inbound ones before
// outbound ones, as IKE does, so that nothing is sent that is not understood.
func (l Link) Install(t testing.TB, hosts [2]*Host, first sad.SPI, edit func(*sad.SA)) {
	t.Helper()
	l.each(t, hosts, first, func(h *Host, sa sad.SA) {
		if edit != nil {
			edit(&sa)
		}
		if err := h.Plane.Install(sa); err != nil {
			t.Fatalf("%s: %v", h.Kind.Name, err)
		}
	})
}

// Remove takes the SAs with SPIs from first on out again.
func (l Link) Remove(t testing.TB, hosts [2]*Host, first sad.SPI) {
	t.Helper()
	l.each(t, hosts, first, func(h *Host, sa sad.SA) {
		if err := h.Plane.Remove(sa.ID()); err != nil {
			t.Fatalf("%s: %v", h.Kind.Name, err)
		}
	})
}

func (l Link) each(t testing.TB, hosts [2]*Host, first sad.SPI, f func(*Host, sad.SA)) {
	t.Helper()
	for _, d := range []sad.Direction{sad.In, sad.Out} {
		for i, h := range hosts {
			for k := range l.Needs {
				f(h, l.SA(t, hosts, i, k, d, first))
			}
		}
	}
}

// throughTheDevice routes what the host sends its peer into ipsec0, but for what
// the plane itself sends.
func (h *Host) throughTheDevice(t testing.TB, peer, own netip.Addr) {
	t.Helper()
	ip := func(args ...string) {
		Run(t, append([]string{"ip", "-n", h.NS, map[bool]string{false: "-4", true: "-6"}[peer.Is6()]}, args...)...)
	}
	ip("route", "add", peer.String(), "dev", "ipsec0", "src", own.String(), "table", "220")
	ip("rule", "add", "not", "fwmark", fmt.Sprintf("%#x/0xff", Mark), "lookup", "220", "pref", "100")
	t.Cleanup(func() {
		ip("rule", "del", "pref", "100")
		ip("route", "flush", "table", "220")
	})
}
