package store

import (
	"net/netip"
	"strings"
	"testing"
)

func TestFreshKeysAndTheOtherSideFitTogether(t *testing.T) {
	here := byHand(t).ManualSAs[0].Source
	for name, ask := range map[string]ByHand{
		"networks":     {Name: "leeds", Here: here, There: netip.MustParseAddr("198.51.100.9"), Near: ranges("10.1.0.0/24"), Far: ranges("10.77.0.0/24", "10.78.0.1"), Protocol: "esp", Mode: "tunnel"},
		"hosts":        {Name: "leeds", Here: here, There: netip.MustParseAddr("198.51.100.9"), Protocol: "ah", Mode: "transport"},
		"both between": {Name: "leeds", Here: here, There: netip.MustParseAddr("198.51.100.9"), Near: ranges("10.1.0.0/24"), Far: ranges("10.77.0.0/24"), Protocol: "esp+ah", Mode: "tunnel"},
	} {
		doc := byHand(t)
		made := ask.Make()
		doc.ManualSAs, doc.Policies = made.ManualSAs, made.Policies
		if err := doc.Validate(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		m, err := doc.Mirror("leeds-out", "leeds-in")
		if err != nil {
			t.Fatal(err)
		}
		theirs := doc
		theirs.ManualSAs, theirs.Policies = m.ManualSAs, m.Policies
		theirs.Interfaces[0].Addresses = prefixes("198.51.100.9/24")
		theirs.Interfaces[0].Gateways = nil
		theirs.Interfaces[0].Gateways = []netip.Addr{netip.MustParseAddr("198.51.100.1")}
		theirs.Firewall = Firewall{}
		if err := theirs.Validate(); err != nil {
			t.Errorf("%s, there: %v", name, err)
		}
		again, err := theirs.Mirror(m.Policies[0].Name, m.Policies[1].Name)
		if err != nil || again.ManualSAs[0] != made.ManualSAs[0] {
			t.Errorf("%s: the mirror of the mirror: %v", name, err)
		}
	}
}

func TestCommandsForAPlainLinux(t *testing.T) {
	doc := byHand(t)
	ah := doc.ManualSAs[0]
	ah.Name, ah.Protocol, ah.Mode, ah.SPI, ah.Encryption, ah.EncryptionKey, ah.IntegrityKey = "ah", "ah", "transport", 0x1005, "", "", ah.IntegrityKey[2:]+"77"
	doc.ManualSAs[0].UDPPort, doc.ManualSAs[1].HardHours = 4500, 2
	doc.ManualSAs = append(doc.ManualSAs, ah)
	doc.Policies[0].SAs = append(doc.Policies[0].SAs, "ah")
	m, err := doc.Mirror("out", "in")
	if err != nil {
		t.Fatal(err)
	}
	text := m.IPXfrm(nil)
	for _, want := range []string{
		"proto esp spi 0x00001001 reqid ", "replay-window 64", "enc 'cbc(aes)' 0x" + doc.ManualSAs[0].EncryptionKey.Reveal(),
		"auth-trunc 'hmac(sha256)' 0x" + doc.ManualSAs[0].IntegrityKey.Reveal() + " 128", "encap espinudp 4500 4500 0.0.0.0",
		"flag af-unspec align4", "limit time-hard 7200",
		"ip xfrm policy add src 10.1.0.0/24 dst 10.77.0.0/24 dir in priority 1 tmpl src 203.0.113.2 dst 198.51.100.9 proto esp",
		"dir fwd", "proto ah reqid ", "dir out",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
}
