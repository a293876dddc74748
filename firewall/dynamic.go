package firewall

import (
	"fmt"
	"io"
	"net/netip"
	"time"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
)

// dynamicTable is the table of what must outlive an apply and the process:
// bans and what is known of sources on wan. An apply writes its rules and the
// sets of devices and peers anew, and leaves the elements of its other sets and
// its counters as they are.
const dynamicTable = "gatehouse_dyn"

const (
	bannedHosts      = "banned_hosts"    // + 4 or 6: addresses, in IPv6 the first of a /64
	bannedNetworks   = "banned_networks" // + 4 or 6: wider ones
	establishedPeers = "established"     // + 4 or 6: peers of unknown address whose tunnel is up
	newSources       = "new_from"        // + 4 or 6: how fast a source begins connections
	openSources      = "open_from"       // + 4 or 6: how many it has open
)

// maxBans bounds the banned hosts of a family; more cannot be banned.
const maxBans = 16384

// hostBits is the network that one host on the internet has to itself.
func hostBits(f family) int {
	if f == ipv6 {
		return 64
	}
	return 32
}

// timedSet is a set whose elements go by themselves and count packets.
func timedSet(name string, f family, interval bool) set {
	s := set{name: name + f.digit(), key: keyIPv4(), timed: true}
	if f == ipv6 {
		s.key = keyIPv6()
	}
	s.key.interval = interval
	return s
}

// dynamic compiles the dynamic table. It is the same whatever the policy says,
// but for devices, peers and limits.
func (c *compiler) dynamic() *Ruleset {
	d := &compiler{policy: c.policy, zones: c.zones, devices: c.devices, pools: c.pools, counted: map[string]bool{}, ends: map[string]bool{}}
	d.out.addSet(deviceSet(setWAN, c.devices[ZoneWAN]))
	d.out.addSet(portSet(setIKEPorts, []PortRange{{500, 500}, {4500, 4500}}))
	d.out.addSet(neighborDiscovery())
	d.addPool(ikePeers, c.pools[ikePeers])
	for _, f := range []family{ipv4, ipv6} {
		d.out.addSet(timedSet(bannedHosts, f, false))
		d.out.addSet(timedSet(bannedNetworks, f, true))
		d.out.addSet(timedSet(establishedPeers, f, false))
		d.out.addSet(sourceSet(newSources+f.digit(), f, forgetSource))
		d.out.addSet(sourceSet(openSources+f.digit(), f, 0))
	}
	d.bans()
	d.limits()
	d.out.chains = append(d.out.chains, d.endings...)
	return &d.out
}

// bans drops everything from banned sources on wan before connection tracking,
// so that flows which are established end too. A peer's key exchange and ESP
// pass: nobody shall cut a tunnel by failing in the peer's name.
func (c *compiler) bans() {
	// The provider's router may be in a banned /64: without Neighbor Discovery it
	// could not be reached any more.
	rules := append([]rule{when(icmpIn{ipv6, setND}, onLink{}, accept)}, c.tunnels()...)
	c.out.addChain("banned", nil, append(rules, when(c.end(idBanned, Drop)))...)
	rules = nil
	for _, f := range []family{ipv4, ipv6} {
		rules = append(rules,
			when(sourceHostIn{f, bannedHosts + f.digit()}, goTo("banned")),
			when(addressIn{source, f, bannedNetworks + f.digit()}, goTo("banned")))
	}
	c.out.addChain("bans_on_wan", nil, rules...)
	c.out.addChain("bans", &hook{kind: "filter", point: "prerouting", priority: "-310"},
		when(deviceIn{incoming, setWAN}, goTo("bans_on_wan")))
}

// tunnels accepts the key exchange, ESP and AH of peers: those configured, and
// those that are connected.
func (c *compiler) tunnels() []rule {
	matches := fromPool(source, ikePeers, c.pools[ikePeers])
	for _, f := range []family{ipv4, ipv6} {
		matches = append(matches, addressIn{source, f, establishedPeers + f.digit()})
	}
	var rules []rule
	for _, m := range matches {
		rules = append(rules, when(m, portIn{overUDP, destination, setIKEPorts}, accept), when(m, overESP, accept), when(m, overAH, accept))
	}
	return rules
}

// forgetSource is how long a source is remembered that begins nothing: longer
// than its burst takes to be full again with the usual numbers.
const forgetSource = time.Minute

// limits refuses new connections of a source on wan beyond what Protection
// allows, after connection tracking and before anything is translated.
func (c *compiler) limits() {
	p := c.policy.Protection
	c.out.limits = [3]uint32{p.NewPerSecond, p.NewBurst, p.Open}
	rules := c.tunnels()
	if c.ikeFromAnywhere() {
		rules = append(rules, when(portIn{overUDP, destination, setIKEPorts}, accept), when(overESP, accept), when(overAH, accept))
	}
	flood := c.end(idFlood, Drop)
	for _, f := range []family{ipv4, ipv6} {
		if p.NewPerSecond > 0 {
			beyond := overRate{p.NewPerSecond, expr.LimitTimeSecond, max(p.NewBurst, 1)}
			rules = append(rules, when(perSource{f, newSources + f.digit(), true, beyond, hostBits(f)}, flood))
		}
		if p.Open > 0 {
			rules = append(rules, when(perSource{f, openSources + f.digit(), false, overOpen{p.Open}, hostBits(f)}, flood))
		}
	}
	c.out.addChain("limits_on_wan", nil, rules...)
	c.out.addChain("limits", &hook{kind: "filter", point: "prerouting", priority: "-150"},
		when(deviceIn{incoming, setWAN}, newConnection{}, goTo("limits_on_wan")))
	// What synProxy begins in the name of a source.
	c.out.addChain("limits_of_proxied", &hook{kind: "filter", point: "output", priority: "-150"},
		when(newConnection{}, foreignSource{}, goTo("limits_on_wan")))
}

// sourceHostIn matches the network of a source host against a set.
type sourceHostIn struct {
	family family
	set    string
}

func (m sourceHostIn) text() string { return hostKeyword(m.family) + " @" + m.set }
func (m sourceHostIn) exprs(n setNames) []expr.Any {
	return append(append(m.family.exprs(n), loadHost(m.family)...), inSet(n, m.set))
}

// hostKeyword and loadHost are the part of a source address that tells hosts on
// the internet apart.
func hostKeyword(f family) string {
	if f == ipv6 {
		return source.keyword(f) + " & ffff:ffff:ffff:ffff::"
	}
	return source.keyword(f)
}

func loadHost(f family) []expr.Any {
	if f == ipv4 {
		return []expr.Any{source.load(f)}
	}
	mask := make([]byte, 16)
	for i := range 8 {
		mask[i] = 0xff
	}
	return []expr.Any{source.load(f), &expr.Bitwise{SourceRegister: register, DestRegister: register, Len: 16, Mask: mask, Xor: make([]byte, 16)}}
}

// hostNetwork is the network of a source that is banned or counted as one.
func hostNetwork(a netip.Addr) netip.Prefix {
	a = a.Unmap().WithZone("")
	return netip.PrefixFrom(a, hostBits(familyOf(a))).Masked()
}

// keeps says that an apply leaves the elements alone.
func (s set) keeps() bool { return s.timed || s.filled }

// writeDynamic writes what brings the dynamic table up to date.
func (r Ruleset) writeDynamic(w io.Writer) {
	fmt.Fprintf(w, "\nadd table inet %s\n", dynamicTable)
	for _, s := range r.sets {
		if !s.keeps() {
			flags := ""
			if s.key.interval {
				flags = " flags interval;"
			}
			fmt.Fprintf(w, "add set inet %[1]s %[2]s { type %[3]s;%[4]s }\nflush set inet %[1]s %[2]s\n", dynamicTable, s.name, s.key.name, flags)
		}
	}
	for _, c := range r.chains {
		hooked := ""
		if h := c.hook; h != nil {
			hooked = fmt.Sprintf(" { type %s hook %s priority %s; policy accept; }", h.kind, h.point, h.priority)
		}
		fmt.Fprintf(w, "add chain inet %[1]s %[2]s%[3]s\nflush chain inet %[1]s %[2]s\n", dynamicTable, c.name, hooked)
	}
	fmt.Fprintf(w, "table inet %s {\n", dynamicTable)
	r.body(w, nil)
	io.WriteString(w, "}\n")
}

// dynamicSteps are the messages that do the same.
func (r Ruleset) dynamicSteps(start map[string]Counter) []step {
	w := newWriting(dynamicTable)
	w.renew = true
	out := []step{{what: "table " + dynamicTable, add: func(c *nftables.Conn) error {
		c.AddTable(w.table)
		return nil
	}}}
	return append(out, w.objects(r, start)...)
}

// forgetSources makes the kernel count sources anew when other limits hold: it
// keeps the limit with each source.
func (a *Applier) forgetSources(r Ruleset) error {
	if r.dynamic == nil || r.dynamic.limits == a.limits {
		return nil
	}
	before := a.limits
	a.limits = r.dynamic.limits
	if before == ([3]uint32{}) {
		return nil // the process has just begun
	}
	c, err := connect()
	if err != nil {
		return err
	}
	defer c.CloseLasting()
	for _, f := range []family{ipv4, ipv6} {
		c.FlushSet(sourceSet(newSources+f.digit(), f, forgetSource).kernel(dynamicNFTable()))
		c.FlushSet(sourceSet(openSources+f.digit(), f, 0).kernel(dynamicNFTable()))
	}
	return c.Flush()
}
