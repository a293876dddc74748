//go:build guest

package xfrm

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"gatehouse/ipsec/planetest"
	"gatehouse/ipsec/sad"
)

// moved lets the second host have another address, and shows that both ends go on
// with their SAs as they are. skips says that outbound ones leave numbers out.
func moved(t *testing.T, hosts [2]*planetest.Host, l planetest.Link, first sad.SPI, skips bool) {
	var ids [2][]sad.ID
	l.Bind(t, hosts, first, func(sa *sad.SA) {
		for i, h := range hosts {
			if sa.Local == h.Outer(l.Outer6) {
				ids[i] = append(ids[i], sa.ID())
			}
		}
	})
	l.Carry(t, hosts, 16<<10)
	_, held := listed(t, hosts[0])
	a, b := netip.AddrPortFrom(hosts[0].Outer(l.Outer6), 4500), netip.AddrPortFrom(netip.MustParseAddr("192.0.2.12"), 4500)
	if l.Outer6 {
		b = netip.AddrPortFrom(netip.MustParseAddr("2001:db8::12"), 4500)
	}
	ends := [2][2]netip.AddrPort{{a, b}, {b, a}}
	var before [2][]sad.Usage
	for i, h := range hosts {
		p := h.Plane.(*Plane)
		for _, id := range ids[i] {
			u, ok := p.Usage(id)
			if !ok || u.Packets == 0 {
				t.Fatalf("%v: %+v", id, u)
			}
			before[i] = append(before[i], u)
		}
		if err := p.Move(ids[i], ends[i][0], ends[i][1]); err != nil {
			t.Fatal(err)
		}
	}
	for _, to := range l.Targets(hosts) {
		hosts[0].Run(t, "ping", "-q", "-c", "3", "-i", "0.05", "-W", "5", to.String())
	}
	for i, h := range hosts {
		for k, id := range ids[i] {
			if id.Direction == sad.Out {
				id.Remote = ends[i][1].Addr()
			}
			u, ok := h.Plane.Usage(id)
			if was := before[i][k]; !ok || u.Packets < was.Packets+6 || u.Packets > was.Packets+20 || u.Sequence < was.Sequence+6 {
				t.Errorf("%v: %+v, before it moved %+v", id, u, was)
			}
			if was := before[i][k]; id.Direction == sad.Out && skips != (u.Sequence > was.Sequence+20) {
				t.Errorf("%v: its sequence number went from %d to %d", id, was.Sequence, u.Sequence)
			}
		}
	}
	if _, n := listed(t, hosts[0]); n != held {
		t.Errorf("%d SAs and policies, before %d", n, held)
	}
}

func TestKernelMovesSAsWithTheirCounters(t *testing.T) {
	hosts := planetest.Two(t, [2]planetest.Kind{kernelPlane(), kernelPlane()})
	planetest.Run(t, "ip", "-n", hosts[1].NS, "addr", "add", "192.0.2.12/24", "dev", "wire")
	planetest.Run(t, "ip", "-n", hosts[1].NS, "addr", "add", "2001:db8::12/64", "dev", "wire", "nodad")
	first := sad.SPI(0x1000)
	for _, cannot := range []bool{false, true} {
		for _, h := range hosts {
			h.Plane.(*Plane).cannotMigrate = cannot
		}
		for _, l := range planetest.Links() {
			tunnel := len(l.Needs) == 1 && l.Needs[0].Mode == sad.Tunnel
			if !tunnel || !l.UDP && l.ESN == l.Outer6 || cannot && (!l.UDP || l.Outer6) {
				continue
			}
			t.Run(fmt.Sprintf("%s, without migration %v", l, cannot), func(t *testing.T) { moved(t, hosts, l, first, cannot) })
			first += 0x1000
		}
		if p := hosts[0].Plane.(*Plane); p.cannotMigrate != cannot {
			t.Error("this kernel cannot migrate")
		}
	}
}

// A NAT that gives the peer another port only changes the SA in its place.
func TestKernelMovesSAsToAnotherPort(t *testing.T) {
	hosts := planetest.Two(t, [2]planetest.Kind{kernelPlane(), kernelPlane()})
	for i, l := range planetest.Links() {
		if !l.UDP || l.HostToHost() {
			continue
		}
		var ids []sad.ID
		l.Bind(t, hosts, sad.SPI(0x1000*(i+1)), func(sa *sad.SA) {
			if sa.Local == hosts[0].Outer(l.Outer6) {
				ids = append(ids, sa.ID())
			}
		})
		l.Carry(t, hosts, 16<<10)
		p := hosts[0].Plane.(*Plane)
		local, remote := netip.AddrPortFrom(hosts[0].Outer(l.Outer6), 4500), netip.AddrPortFrom(hosts[1].Outer(l.Outer6), 4511)
		if err := p.Move(ids, local, remote); err != nil {
			t.Fatal(err)
		}
		for _, id := range ids {
			sa := p.sas[slices.IndexFunc(p.sas, func(s *installed) bool { return s.ID() == id })].SA
			h, err := p.conn.state(referenceTo(sa))
			if encap := encapOf(sa); err != nil || sa.Encap.RemotePort != 4511 || string(h.attributes[attrEncap][:6]) != string(encap.Data[:6]) {
				t.Errorf("%v: the kernel has ports %x, %v", id, h.attributes[attrEncap], err)
			}
		}
		if err := p.Move(ids, local, netip.AddrPortFrom(remote.Addr(), 4500)); err != nil {
			t.Fatal(err)
		}
		l.Carry(t, hosts, 16<<10)
	}
}
