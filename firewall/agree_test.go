package firewall

import (
	"encoding/binary"
	"math/rand/v2"
	"net"
	"net/netip"
	"testing"
	"time"
)

// The places of the small office that packets go between.
type place struct {
	space  *space
	v4, v6 string
	zone   string
}

func (p place) address(v6 bool) string {
	if v6 {
		return p.v6
	}
	return p.v4
}

var agreePorts = []int{53, 80, 5000}

// randomPolicy has some rules over the addresses and ports that are used here.
func (o *smallOffice) randomPolicy(r *rand.Rand) Policy {
	p := o.policy()
	p.Masquerade = false // the source tells nothing here
	p.Defaults = nil
	zones := []string{ZoneLAN, ZoneWAN, ZoneVPN}
	actions := []Action{Allow, Drop}
	for _, from := range zones {
		for _, to := range append(zones, ZoneGateway) {
			if r.IntN(2) == 0 && from != ZoneWAN {
				p.Defaults = append(p.Defaults, Default{from, to, actions[r.IntN(2)]})
			}
		}
	}
	pool := [][]netip.Prefix{nil, prefixes(lanHost4 + "/32"), prefixes("10.1.0.0/24", "fd00:1::/64"), prefixes(wanHost6 + "/128"),
		prefixes("10.0.0.0/8"), prefixes("0.0.0.0/0"), prefixes("::/0", branchHost4+"/32")}
	addr := netip.MustParseAddr
	p.Lists = []List{{ID: "some", Ranges: []Range{{addr(lanHost4), addr(lanHost4)}, {addr("10.2.0.1"), addr("10.2.0.9")}, {addr(wanHost6), addr(wanHost6)}}}, {ID: "none"}}
	lists := [][]string{nil, nil, nil, {"some"}, {"none"}, {"none", "some"}}
	services := [][]Service{nil, {{Protocol: UDP, Ports: []PortRange{{53, 80}}}}, {{Protocol: TCP}, {Protocol: UDP, Ports: []PortRange{{5000, 5000}}}},
		{{Protocol: OtherProtocol, Numbers: []NumberRange{{17, 17}}}}, {{Protocol: ICMP}}}
	p.Rules = nil
	for i := range r.IntN(7) {
		p.Rules = append(p.Rules, Rule{
			ID: string(rune('a' + i)), From: append(zones, "")[r.IntN(4)], To: append(zones, ZoneGateway, "")[r.IntN(5)],
			Sources: pool[r.IntN(len(pool))], SourceLists: lists[r.IntN(len(lists))], Destinations: pool[r.IntN(len(pool))],
			DestinationLists: lists[r.IntN(len(lists))], Services: services[r.IntN(len(services))], Action: actions[r.IntN(2)],
		})
	}
	return p
}

// TestTheDeciderAgreesWithTheKernel sends packets through random policies: what
// the decider says and what the kernel lets pass must be the same.
func TestTheDeciderAgreesWithTheKernel(t *testing.T) {
	o := newSmallOffice(t)
	random := rand.New(rand.NewPCG(7, 8))
	o.agree(40, 40, random, func() Policy { return o.randomPolicy(random) })
}

// agree sends packets through policies that next makes.
func (o *smallOffice) agree(policies, packets int, random *rand.Rand, next func() Policy) {
	t := o.t
	t.Helper()
	places := []place{{o.lan, lanHost4, lanHost6, ZoneLAN}, {o.wan, wanHost4, wanHost6, ZoneWAN}, {o.branch, branchHost4, branchHost6, ZoneVPN},
		{o.gateway, gatewayLAN4, gatewayLAN6, ZoneGateway}}
	servers := o.listenEverywhere(places)
	id, passed := uint32(0), 0
	for n := 0; n < policies; {
		p := next()
		if _, err := Compile(p); err != nil {
			continue // a rule that could never match
		}
		n++
		d, err := NewDecider(p)
		if err != nil {
			t.Fatal(err)
		}
		o.apply(p)
		type sent struct {
			flow Flow
			by   string
			want bool
		}
		all := map[uint32]sent{}
		for range packets {
			from, to := places[random.IntN(3)], places[random.IntN(4)]
			if from.zone == to.zone {
				continue
			}
			v6, port := random.IntN(2) == 0, agreePorts[random.IntN(len(agreePorts))]
			f := Flow{Source: netip.MustParseAddr(from.address(v6)), Destination: netip.MustParseAddr(to.address(v6)), Protocol: 17, Port: uint16(port)}
			action, by := d.Decide(f)
			id++
			all[id] = sent{f, by, action == Allow}
			o.throw(from, f, id)
		}
		arrived := collect(servers)
		for id, s := range all {
			if arrived[id] != s.want {
				t.Errorf("%+v: the kernel let it pass: %v; the decider says %v by %q\nrules %+v\ndefaults %+v", s.flow, arrived[id], s.want, s.by, p.Rules, p.Defaults)
			}
			if arrived[id] {
				passed++
			}
		}
		if t.Failed() {
			return
		}
	}
	if passed == 0 || passed == int(id) {
		t.Errorf("%d of %d packets passed: this proves nothing", passed, id)
	}
	t.Logf("%d of %d packets passed", passed, id)
}

func (o *smallOffice) listenEverywhere(places []place) (out []*net.UDPConn) {
	for _, p := range places {
		for _, port := range agreePorts {
			for _, a := range []string{p.v4, p.v6} {
				var c *net.UDPConn
				var err error
				p.space.do(func() { c, err = net.ListenUDP("udp", udpAddr(a, port)) })
				if err != nil {
					o.t.Fatal(err)
				}
				o.t.Cleanup(func() { c.Close() })
				out = append(out, c)
			}
		}
	}
	return out
}

// throw sends one datagram with a number in it, from a port of its own, so that
// no earlier connection covers it.
func (o *smallOffice) throw(from place, f Flow, id uint32) {
	o.t.Helper()
	from.space.do(func() {
		c, err := net.DialUDP("udp", udpAddr(f.Source.String(), 20000+int(id)), udpAddr(f.Destination.String(), int(f.Port)))
		if err != nil {
			o.t.Error(err)
			return
		}
		c.Write(binary.BigEndian.AppendUint32(nil, id)) // a refusal comes back as an error
		c.Close()
	})
}

// collect reads what arrives within the usual patience.
func collect(servers []*net.UDPConn) map[uint32]bool {
	out := map[uint32]bool{}
	time.Sleep(patience)
	for _, s := range servers {
		for {
			s.SetReadDeadline(time.Now().Add(time.Millisecond))
			b := make([]byte, 16)
			n, err := s.Read(b)
			if err != nil {
				break
			}
			if n == 4 {
				out[binary.BigEndian.Uint32(b)] = true
			}
		}
	}
	return out
}
