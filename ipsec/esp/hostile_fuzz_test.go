package esp

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"slices"
	"testing"

	"gatehouse/ipsec/planetest"
	"gatehouse/ipsec/sad"
)

// onlyDNS are the selectors of a peer that may only ask a name server of ours.
func onlyDNS() (local, remote []sad.Selector) {
	server := sad.SelectorFromPrefix(netip.MustParsePrefix("10.2.0.0/24"))
	server.Protocol, server.FirstPort, server.LastPort = protoUDP, 53, 53
	return []sad.Selector{server}, []sad.Selector{sad.SelectorFromPrefix(netip.MustParsePrefix("10.1.0.0/24"))}
}

// askingDNS is what such a peer may send.
func askingDNS() []byte {
	ip := udp4("10.1.0.5", "10.2.0.9", 14)
	binary.BigEndian.PutUint16(ip[22:], 53)
	return ip
}

// mayOnlyAsk fails if what has passed is anything else.
func mayOnlyAsk(t *testing.T, ip []byte) {
	t.Helper()
	if ip == nil {
		return
	}
	header := int(ip[0]&0x0f) * 4
	if ip[0]>>4 != 4 || header < 20 || int(binary.BigEndian.Uint16(ip[2:])) != len(ip) ||
		!bytes.Equal(ip[12:15], []byte{10, 1, 0}) || !bytes.Equal(ip[16:19], []byte{10, 2, 0}) ||
		ip[9] != protoUDP || binary.BigEndian.Uint16(ip[6:])&0x1fff != 0 || binary.BigEndian.Uint16(ip[header+2:]) != 53 {
		t.Fatalf("%x passed", ip)
	}
}

// A peer that has the keys puts anything into its packets.
func FuzzInsidesOfGenuineESP(f *testing.F) {
	f.Add(append(askingDNS(), 0, nextIPv4))
	f.Add(append(udp6("fd00:1::5", "fd00:2::9", 2), 0, nextIPv6))
	f.Add([]byte{1, 2, 2, nextNone})
	_, b, _, in := pair(f, "aes256gcm16")
	in.LocalTS, in.RemoteTS = onlyDNS()
	if err := b.SetPolicies([]sad.Policy{{ID: 1, Action: sad.Protect, LocalTS: everything(), RemoteTS: everything()}}); err != nil {
		f.Fatal(err)
	}
	seq := uint64(0)
	f.Fuzz(func(t *testing.T, plain []byte) {
		if len(plain) > 2000 {
			return
		}
		seq++
		mayOnlyAsk(t, b.unprotectOne(sealedWhole(t, plain, seq)))
		if in.read().Invalid+in.read().Refused+in.read().Packets != seq {
			t.Fatalf("%d packets count as %+v", seq, in.read())
		}
	})
}

func FuzzInsidesOfGenuineAH(f *testing.F) {
	f.Add(uint8(nextIPv4), askingDNS())
	f.Add(uint8(protoUDP), askingDNS()[20:])
	f.Add(uint8(sad.ESP), make([]byte, 30))
	local, remote := onlyDNS()
	sa := sad.SA{
		SPI: 0x1234abcd, Protocol: sad.AH, Policy: 1, Suite: planetest.Suite(f, sad.AH, "sha256"), IntegrityKey: make([]byte, 32),
		Local: netip.MustParseAddr("192.0.2.1"), Remote: netip.MustParseAddr("192.0.2.2"), ReplayWindow: 64, LocalTS: remote, RemoteTS: local,
	}
	_, b, _, in := joined(f, sa)
	auth, err := newAuthenticator(sa.Suite, sa.IntegrityKey, false)
	if err != nil {
		f.Fatal(err)
	}
	header := udp4("192.0.2.1", "192.0.2.2", 0)[:ipv4Header]
	header[9] = byte(sad.AH)
	seq := uint64(0)
	f.Fuzz(func(t *testing.T, next uint8, inside []byte) {
		if len(inside) > 2000 {
			return
		}
		packet, at := ahPacket(t, auth, header, len(inside))
		copy(packet[len(packet)-len(inside):], inside)
		seq++
		if err := auth.seal(packet, at, next, uint32(sa.SPI), seq); err != nil {
			t.Fatal(err)
		}
		mayOnlyAsk(t, b.overIPOne(packet))
		if in.window.top != seq {
			t.Fatalf("the packet is not taken for genuine")
		}
	})
}

// Whoever sends packets that are refused makes this gateway remember nothing of
// them.
func TestHostilePacketsCostNoMemory(t *testing.T) {
	a, b, _, _ := pair(t, "aes256gcm16")
	good := a.protectOne(udp4("10.1.0.5", "10.2.0.9", 10))
	if b.unprotectOne(good) == nil {
		t.Fatal("a good packet was refused")
	}
	forged := a.protectOne(udp4("10.1.0.5", "10.2.0.9", 10))
	forged[len(forged)-1] ^= 1
	unknown := slices.Concat([]byte{9, 9, 9, 9}, good[4:])
	tables, r := b.tables.Load(), b.newReceiver(1, laneUDP4)
	for name, packet := range map[string][]byte{
		"a replay": good, "a forgery": forged, "an unknown SPI": unknown, "a header and nothing more": forged[:headerLen], "a packet cut short": forged[:20],
	} {
		if n := testing.AllocsPerRun(100, func() {
			p := received(r, packet)
			if r.opened(tables, &p, from, 1) {
				t.Error("it passed")
			}
		}); n != 0 {
			t.Errorf("%s costs %v allocations", name, n)
		}
	}
	s, out := &sender{e: a}, a.tables.Load()
	buf := make([]byte, bufferSize)
	for name, ip := range map[string][]byte{
		"nonsense": {0x45, 0, 0, 99}, "nothing": {}, "what no policy is for": udp4("10.1.0.5", "10.9.0.9", 10), "a later header that is not there": udp6("fd00:1::5", "fd00:9::9", 0)[:44],
	} {
		if n := testing.AllocsPerRun(100, func() {
			p := packetIn(buf, copy(buf[headroom:], ip))
			if s.protect(out, &p, 1) != nil {
				t.Error("it was sent")
			}
		}); n != 0 {
			t.Errorf("outbound, %s costs %v allocations", name, n)
		}
	}
}
