package xfrm

import (
	"encoding/hex"
	"net/netip"
	"strings"
	"testing"

	"gatehouse/ipsec/crypto"
	"gatehouse/ipsec/sad"
)

func testSA(t *testing.T) sad.SA {
	t.Helper()
	suite, err := crypto.ParseESPSuite("aes128gcm16")
	if err != nil {
		t.Fatal(err)
	}
	return sad.SA{
		SPI: 0x11223344, Protocol: sad.ESP, Direction: sad.Out, Suite: suite, EncryptionKey: make([]byte, 20),
		Local: netip.MustParseAddr("192.0.2.1"), Remote: netip.MustParseAddr("192.0.2.2"),
	}
}

// attributesOf are those of an SA's message in hexadecimal, by their number.
func attributesOf(t *testing.T, sa sad.SA) map[uint16]string {
	t.Helper()
	m, err := saMessage(sa, 0x67, firstReqID, 0)
	if err != nil {
		t.Fatal(err)
	}
	out := map[uint16]string{}
	for _, a := range m.attributes {
		out[a.Type] = hex.EncodeToString(a.Data)
	}
	return out
}

// The numbers are those of linux/xfrm.h of Linux 6.12, as a little-endian host
// writes them.
func TestAnSAOfOneProcessorSaysItsDirectionAndHasNoWindow(t *testing.T) {
	sa := testSA(t)
	if got := attributesOf(t, sa); got[35] != "" || got[33] != "" {
		t.Errorf("%v", got)
	}
	three := uint32(3)
	sa.CPU, sa.ESN, sa.Sent = &three, true, 1<<32+5
	got := attributesOf(t, sa)
	if got[35] != "03000000" || got[33] != "02" {
		t.Errorf("processor %s, direction %s", got[35], got[33])
	}
	// No words of a bitmap, the lower half sent, nothing seen, the upper half, no
	// window.
	if want := "00000000" + "05000000" + "00000000" + "01000000" + "00000000" + "00000000"; got[23] != want {
		t.Errorf("counters %s, want %s", got[23], want)
	}
}

func TestTheKernelIsToldOfTheLastNumberAndToWarnBefore(t *testing.T) {
	const last = 1<<32 - 1
	for name, row := range map[string]struct {
		sent, soft, hard   uint64
		esn                bool
		wantSoft, wantHard uint64
	}{
		"a fresh SA":                    {wantSoft: soonSequence, wantHard: last},
		"one that goes on":              {sent: 1 << 31, wantSoft: soonSequence - 1<<31, wantHard: last - 1<<31},
		"one that is almost at its end": {sent: last - 1, wantSoft: 1, wantHard: 1},
		"bounds that come before":       {sent: 1 << 31, soft: 1000, hard: 2000, wantSoft: 1000, wantHard: 2000},
		"64 bits have no end":           {sent: 1 << 40, esn: true, wantSoft: 1<<64 - 1, wantHard: 1<<64 - 1},
	} {
		sa := testSA(t)
		sa.ESN = row.esn
		sa.Sent, sa.Lifetime.Soft.Packets, sa.Lifetime.Hard.Packets = row.sent, row.soft, row.hard
		m, err := saMessage(sa, 0x67, firstReqID, 0)
		if err != nil {
			t.Fatal(err)
		}
		const softPackets = sizeSelector + sizeSAID + 16 + 16
		if soft, hard := native.Uint64(m.body[softPackets:]), native.Uint64(m.body[softPackets+8:]); soft != row.wantSoft || hard != row.wantHard {
			t.Errorf("%s: warned at packet %d, want %d, and ended behind %d, want %d", name, soft, row.wantSoft, hard, row.wantHard)
		}
	}
}

func TestOffloadNamesTheDeviceAndTheWay(t *testing.T) {
	sa := testSA(t)
	if got := hex.EncodeToString(offloadTo(7, sa)); got != "0700000000000000" {
		t.Error(got)
	}
	sa.Direction, sa.Local = sad.In, netip.MustParseAddr("2001:db8::1")
	if got := hex.EncodeToString(offloadTo(7, sa)); got != "0700000003000000" {
		t.Error(got)
	}
}

// Loopback has features, and does not encrypt.
func TestADeviceIsAskedWhetherItEncrypts(t *testing.T) {
	d, err := openDevices()
	if err != nil {
		t.Fatal(err)
	}
	defer d.close()
	got, err := d.features("lo")
	if err != nil {
		t.Fatal(err)
	}
	if can, known := got[encrypts]; !known || can || !got["tx-scatter-gather"] {
		t.Errorf("%v", got)
	}
	if _, err := d.features("nothing0"); err == nil || !strings.Contains(err.Error(), "nothing0") {
		t.Errorf("a device that is not there: %v", err)
	}
	sa := testSA(t)
	sa.Local, sa.Remote = netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("127.0.0.2")
	if b := d.offload(sa); b != nil {
		t.Errorf("%x", b)
	}
}
