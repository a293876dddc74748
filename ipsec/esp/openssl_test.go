package esp

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"fmt"
	"io"
	"maps"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"

	"gatehouse/ipsec/crypto"
	"gatehouse/ipsec/planetest"
	"gatehouse/ipsec/sad"
)

// drawing makes the random source give these bytes while f runs, so that a cipher
// that draws its IVs draws this one.
func drawing(iv []byte, f func()) {
	if len(iv) > 0 {
		old := rand.Reader
		rand.Reader = bytes.NewReader(iv)
		defer func() { rand.Reader = old }()
	}
	f()
}

// known is a packet of somebody else, and what went into it.
type known struct {
	sa            sad.SA
	seq           uint64 // the whole sequence number
	iv            []byte // to inject; nil where the sequence number is the IV
	inner, packet []byte
}

// sealsAndOpens shows that the engine sends this very packet, IP header and all,
// that it takes it, and that it does not take it twice nor with a changed byte.
func (k known) sealsAndOpens(t *testing.T) {
	t.Helper()
	k.sa.Policy, k.sa.ReplayWindow = 1, 64
	k.sa.Sent, k.sa.Seen = k.seq-1, k.seq-1
	a, b, _, in := joined(t, k.sa)
	if id := k.packet[4:6]; !is6(k.packet) {
		a.identification.Store(uint32(id[0])<<8 + uint32(id[1]) - 1)
	}
	drawing(k.iv, func() {
		if got := a.protectOne(k.inner); !bytes.Equal(got, k.packet) {
			t.Errorf("sent\n%x, not\n%x", got, k.packet)
		}
	})
	start := outerSize(k.sa.Local)
	for i := start + headerLen; i < len(k.packet); i++ {
		changed := bytes.Clone(k.packet)
		changed[i] ^= 0x40
		if b.overIPOne(changed) != nil {
			t.Errorf("it passed with byte %d changed", i)
		}
	}
	if in.window.top != k.seq-1 {
		t.Errorf("forgeries moved the window to %d", in.window.top)
	}
	if got := b.overIPOne(k.packet); !bytes.Equal(got, k.inner) {
		t.Errorf("received\n%x, not\n%x", got, k.inner)
	}
	if b.overIPOne(k.packet) != nil {
		t.Error("it passed twice")
	}
	if in.window.top != k.seq {
		t.Errorf("the window ends at %d, not %d", in.window.top, k.seq)
	}
}

// everything is any packet of both families.
func everything() []sad.Selector {
	return []sad.Selector{sad.SelectorFromPrefix(netip.MustParsePrefix("0.0.0.0/0")), sad.SelectorFromPrefix(netip.MustParsePrefix("::/0"))}
}

// The packets of testdata were made by testdata/packets.py with OpenSSL, which
// shares no code with this package: each transform that has no whole packet in an
// RFC of its own (RFC 2403, 2404, 2451, 4868, 4543, 3686, 4309), in ESP and AH, with
// sequence numbers of 32 and of 64 bits.
func TestPacketsAreThoseOfOpenSSL(t *testing.T) {
	file, err := os.Open("testdata/packets.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	suites := map[string]bool{}
	for lines := bufio.NewScanner(file); lines.Scan(); {
		var protocol, name, key, integrity, iv, inner, packet string
		var seq uint64
		var esn int
		if _, err := fmt.Sscan(lines.Text(), &protocol, &name, &seq, &esn, &key, &integrity, &iv, &inner, &packet); err != nil && err != io.EOF {
			t.Fatal(err)
		}
		k := known{seq: seq, inner: unhex(t, inner), packet: unhex(t, packet)}
		if iv != "-" {
			k.iv = unhex(t, iv)
		}
		k.sa = sad.SA{
			SPI: 0x1234abcd, Protocol: map[string]sad.Protocol{"esp": sad.ESP, "ah": sad.AH}[protocol], ESN: esn == 1,
			EncryptionKey: keyOf(t, key), IntegrityKey: keyOf(t, integrity), LocalTS: everything(), RemoteTS: everything(),
			Local: netip.MustParseAddr("192.0.2.1"), Remote: netip.MustParseAddr("192.0.2.2"),
		}
		family := "IPv4"
		if is6(k.packet) {
			family = "IPv6"
			k.sa.Local, k.sa.Remote = netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("2001:db8::2")
		}
		k.sa.Suite = planetest.Suite(t, k.sa.Protocol, name)
		suites[protocol+" "+name] = true
		t.Run(fmt.Sprintf("%s %s over %s, sequence number %d", protocol, name, family, seq), k.sealsAndOpens)
	}
	for _, e := range crypto.Encryptions() {
		if !slices.ContainsFunc(slices.Collect(maps.Keys(suites)), func(s string) bool {
			return s == "esp "+e.Name || strings.HasPrefix(s, "esp "+e.Name+"-")
		}) {
			t.Errorf("no packet of %s", e.Name)
		}
	}
	for _, i := range crypto.Integrities() {
		if !suites["ah "+i.Name] || !i.AH && !suites["esp null-"+i.Name] {
			t.Errorf("no packet of %s", i.Name)
		}
	}
}

func keyOf(t testing.TB, text string) []byte {
	if text == "-" {
		return nil
	}
	return unhex(t, text)
}
