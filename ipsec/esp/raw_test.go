package esp

import (
	"bytes"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"

	"gatehouse/ipsec/crypto"
	"gatehouse/ipsec/sad"
)

// markInTests keeps the engines' own packets out of ipsec0.
const markInTests = 0x67

// link is how two gateways protect what goes between them.
type link struct {
	needs []sad.Need
	// suites are those of the needs.
	suites []string
	outer6 bool
	esn    bool
	udp    bool
}

func (l link) String() string {
	var words []string
	for i, n := range l.needs {
		words = append(words, map[sad.Protocol]string{sad.ESP: "ESP", sad.AH: "AH"}[n.Protocol]+
			map[sad.Mode]string{sad.Tunnel: " tunnel ", sad.Transport: " transport "}[n.Mode]+l.suites[i])
	}
	text := strings.Join(words, " in ") + " over IPv4"
	if l.outer6 {
		text = strings.Join(words, " in ") + " over IPv6"
	}
	if l.esn {
		text += " with ESN"
	}
	if l.udp {
		text += " in UDP"
	}
	return text
}

// hostToHost says whether all is between the gateways themselves.
func (l link) hostToHost() bool {
	return !slices.ContainsFunc(l.needs, func(n sad.Need) bool { return n.Mode == sad.Tunnel })
}

func suiteOf(t testing.TB, p sad.Protocol, name string) crypto.Suite {
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

// outerOf is a gateway's address on the wire.
func (g *gateway) outerOf(v6 bool) netip.Addr {
	if v6 {
		return g.outer6
	}
	return g.outer
}

// bind makes both gateways protect traffic as the link says, with SPIs from
// first on.
func (l link) bind(t testing.TB, g [2]*gateway, first sad.SPI) {
	t.Helper()
	for i, e := range g {
		peer := g[1-i]
		local, remote := selectors(e.inner), selectors(peer.inner)
		if l.hostToHost() {
			local = []sad.Selector{sad.SelectorFromPrefix(single(e.outerOf(l.outer6)))}
			remote = []sad.Selector{sad.SelectorFromPrefix(single(peer.outerOf(l.outer6)))}
		}
		if err := e.engine.SetPolicies([]sad.Policy{{
			ID: 1, Name: "peer", Action: sad.Protect, LocalTS: local, RemoteTS: remote, Needs: l.needs,
		}}); err != nil {
			t.Fatal(err)
		}
		for k, n := range l.needs {
			s := suiteOf(t, n.Protocol, l.suites[k])
			enc, integ := crypto.ChildKeySizes(s)
			for _, d := range []sad.Direction{sad.In, sad.Out} {
				from := i
				if d == sad.In {
					from = 1 - i
				}
				spi := first + sad.SPI(2*k+from)
				sa := sad.SA{
					SPI: spi, Protocol: n.Protocol, Mode: n.Mode, Direction: d, Policy: 1, Suite: s, ESN: l.esn,
					Local: e.outerOf(l.outer6), Remote: peer.outerOf(l.outer6),
					EncryptionKey: bytes.Repeat([]byte{byte(spi)}, enc), IntegrityKey: bytes.Repeat([]byte{byte(spi) + 1}, integ),
					LocalTS: local, RemoteTS: remote,
				}
				if d == sad.In {
					sa.ReplayWindow = 1024
				}
				if l.udp {
					sa.Encap = &sad.Encap{LocalPort: 4500, RemotePort: 4500}
				}
				if err := e.engine.Install(sa); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
}

func single(a netip.Addr) netip.Prefix { return netip.PrefixFrom(a, a.BitLen()) }

// everyLink is each protocol and mode, and AH around ESP, over both families.
func everyLink() (all []link) {
	esp, ah := "aes256gcm16", "sha256"
	for _, outer6 := range []bool{false, true} {
		for _, mode := range []sad.Mode{sad.Tunnel, sad.Transport} {
			for _, esn := range []bool{false, true} {
				all = append(all,
					link{needs: []sad.Need{{Protocol: sad.ESP, Mode: mode}}, suites: []string{esp}, outer6: outer6, esn: esn},
					link{needs: []sad.Need{{Protocol: sad.AH, Mode: mode}}, suites: []string{ah}, outer6: outer6, esn: esn})
			}
			all = append(all, link{needs: []sad.Need{{Protocol: sad.ESP, Mode: mode}}, suites: []string{esp}, outer6: outer6, udp: true})
		}
		all = append(all,
			link{needs: []sad.Need{{Protocol: sad.ESP, Mode: sad.Transport}, {Protocol: sad.AH, Mode: sad.Transport}}, suites: []string{"aes128-sha1", "aes128gmac"}, outer6: outer6},
			link{needs: []sad.Need{{Protocol: sad.ESP, Mode: sad.Tunnel}, {Protocol: sad.AH, Mode: sad.Transport}}, suites: []string{esp, "sha512"}, outer6: outer6})
	}
	return all
}

// onlyProtected makes the wire drop everything that is not protected, so that
// what gets through has been.
func onlyProtected(t testing.TB, g [2]*gateway) {
	t.Helper()
	for _, e := range g {
		run(t, "ip", "netns", "exec", e.ns, "nft", "add table inet t; add chain inet t c { type filter hook input priority 0; }; "+
			"add rule inet t c iifname wire meta l4proto { esp, ah } accept; add rule inet t c iifname wire udp dport 4500 accept; "+
			"add rule inet t c iifname wire icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept; add rule inet t c iifname wire drop")
	}
}

// TestESPAndAHCarryRealTraffic is every protocol, mode and family outside, with
// both families inside, large packets too.
func TestESPAndAHCarryRealTraffic(t *testing.T) {
	g := topology(t)
	onlyProtected(t, g)
	for i, l := range everyLink() {
		t.Run(l.String(), func(t *testing.T) {
			l.bind(t, g, sad.SPI(0x1000*(i+1)))
			targets := []netip.Addr{g[1].inner[0].Addr(), g[1].inner[1].Addr()}
			if l.hostToHost() {
				targets = []netip.Addr{g[1].outerOf(l.outer6)}
				throughTheDevice(t, g, l.outer6)
			}
			for _, to := range targets {
				run(t, "ip", "netns", "exec", g[0].ns, "ping", "-q", "-c", "3", "-i", "0.01", "-W", "2", to.String())
				transfer(t, g, to, 4<<20)
			}
		})
	}
}

// throughTheDevice routes what the gateways send each other into ipsec0, but for
// what the engines themselves send.
func throughTheDevice(t testing.TB, g [2]*gateway, v6 bool) {
	t.Helper()
	family := map[bool]string{false: "-4", true: "-6"}[v6]
	for i, e := range g {
		ip := func(args ...string) { run(t, append([]string{"ip", "-n", e.ns, family}, args...)...) }
		ip("route", "add", g[1-i].outerOf(v6).String(), "dev", "ipsec0", "src", e.outerOf(v6).String(), "table", "220")
		ip("rule", "add", "not", "fwmark", strconv.Itoa(markInTests), "lookup", "220", "pref", "100")
		t.Cleanup(func() {
			ip("rule", "del", "pref", "100")
			ip("route", "flush", "table", "220")
		})
	}
}
