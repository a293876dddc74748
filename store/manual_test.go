package store

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"
)

// byHand is a document with a pair of SAs that are in use.
func byHand(t *testing.T) Document {
	t.Helper()
	doc := example(t)
	doc.Branches = nil
	key := func(last string) Secret { return Secret(strings.Repeat("c0ffee15600d5eed", 4)[2:] + last) }
	out := ManualSA{Name: "out", Enabled: true, Direction: Out, Protocol: "esp", Mode: "tunnel",
		Source: doc.Interfaces[0].Addresses[0].Addr(), Destination: netip.MustParseAddr("198.51.100.9"), SPI: 0x1001,
		Encryption: "aes256-cbc", EncryptionKey: key("01"), Integrity: "hmac-sha256", IntegrityKey: key("02")}
	in := out
	in.Name, in.Direction, in.Source, in.Destination = "in", In, out.Destination, out.Source
	in.EncryptionKey, in.IntegrityKey = key("03"), key("04")
	doc.ManualSAs = []ManualSA{out, in}
	doc.Policies = []Policy{
		{Name: "out", Enabled: true, Direction: Out, Protection: Protect, Sources: ranges("10.1.0.0/24"), Destinations: ranges("10.77.0.0/24"), SAs: []string{"out"}},
		{Name: "in", Enabled: true, Direction: In, Protection: Protect, Sources: ranges("10.77.0.0/24"), Destinations: ranges("10.1.0.0/24"), SAs: []string{"in"}},
	}
	if err := doc.Validate(); err != nil {
		t.Fatal(err)
	}
	return doc
}

// TestWhatHandsShouldNotDoIsRefusedInWords is every refusal of SAs and policies
// made by hand, with a part of what it says.
func TestWhatHandsShouldNotDoIsRefusedInWords(t *testing.T) {
	addr := netip.MustParseAddr
	for _, row := range []struct {
		name, field, says string
		spoil             func(d *Document, out, in *ManualSA)
	}{
		{"AES-GCM", "manual_sas[0].encryption", "nonce twice", func(_ *Document, out, _ *ManualSA) { out.Encryption = "aes256gcm16" }},
		{"ChaCha20-Poly1305", "manual_sas[0].encryption", "RFC 8221", func(_ *Document, out, _ *ManualSA) { out.Encryption = "chacha20poly1305" }},
		{"AES-CCM", "manual_sas[0].encryption", "RFC 8221", func(_ *Document, out, _ *ManualSA) { out.Encryption = "aes128ccm16" }},
		{"AES-CTR", "manual_sas[0].encryption", "RFC 8221", func(_ *Document, out, _ *ManualSA) { out.Encryption = "aes128ctr" }},
		{"AES-GMAC in AH", "manual_sas[0].integrity", "RFC 8221", func(_ *Document, out, _ *ManualSA) { out.Integrity = "aes256gmac" }},
		{"something unknown", "manual_sas[0].encryption", "must be aes256-cbc", func(_ *Document, out, _ *ManualSA) { out.Encryption = "rot13" }},
		{"DES", "manual_sas[0].encryption", "can be broken", func(_ *Document, out, _ *ManualSA) { out.Encryption, out.EncryptionKey = "des-cbc", "c0ffee15600d5eed" }},
		{"MD5", "manual_sas[0].integrity", "can be broken", func(_ *Document, out, _ *ManualSA) {
			out.Integrity, out.IntegrityKey = "hmac-md5", "c0ffee15600d5eedc0ffee15600d5eee"
		}},
		{"a weak key of DES", "manual_sas[0].encryption_key", "weak keys", func(_ *Document, out, _ *ManualSA) {
			out.Legacy, out.Encryption, out.EncryptionKey = true, "des-cbc", "011f011f010e010e"
		}},
		{"a weak key of DES with other parity", "manual_sas[0].encryption_key", "weak keys", func(_ *Document, out, _ *ManualSA) {
			out.Legacy, out.Encryption, out.EncryptionKey = true, "des-cbc", "001e001e000f000f"
		}},
		{"3DES that is DES", "manual_sas[0].encryption_key", "leaves DES", func(_ *Document, out, _ *ManualSA) {
			out.Legacy, out.Encryption, out.EncryptionKey = true, "3des-cbc", "c0ffee15600d5eedc0ffee15600d5eed0123456789abcdff"
		}},
		{"a key of zeros", "manual_sas[0].encryption_key", "all zeros", func(_ *Document, out, _ *ManualSA) { out.EncryptionKey = Secret(strings.Repeat("0", 64)) }},
		{"a key of one byte", "manual_sas[0].integrity_key", "one byte", func(_ *Document, out, _ *ManualSA) { out.IntegrityKey = Secret(strings.Repeat("a7", 32)) }},
		{"a key that counts", "manual_sas[0].integrity_key", "only count", func(_ *Document, out, _ *ManualSA) {
			out.IntegrityKey = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
		}},
		{"a key that repeats", "manual_sas[0].integrity_key", "repeats", func(_ *Document, out, _ *ManualSA) { out.IntegrityKey = Secret(strings.Repeat("c0ffee01", 8)) }},
		{"half a byte too few", "manual_sas[0].encryption_key", "hexadecimal digits", func(_ *Document, out, _ *ManualSA) { out.EncryptionKey = out.EncryptionKey[1:] }},
		{"a byte too few", "manual_sas[0].encryption_key", "64 hexadecimal digits (256 bits)", func(_ *Document, out, _ *ManualSA) { out.EncryptionKey = out.EncryptionKey[2:] }},
		{"one key for both", "manual_sas[0].integrity_key", "encryption key again", func(_ *Document, out, _ *ManualSA) { out.IntegrityKey = out.EncryptionKey }},
		{"the same key in both directions", "manual_sas[1].integrity_key", "key of out already", func(_ *Document, out, in *ManualSA) { in.IntegrityKey = out.IntegrityKey }},
		{"a reserved SPI", "manual_sas[0].spi", "256", func(_ *Document, out, _ *ManualSA) { out.SPI = 255 }},
		{"an SPI twice", "manual_sas[2].spi", "twice", func(d *Document, out, _ *ManualSA) {
			again := *out
			again.Name, again.EncryptionKey, again.IntegrityKey = "again", out.EncryptionKey[2:]+"99", out.IntegrityKey[2:]+"98"
			d.ManualSAs = append(d.ManualSAs, again)
		}},
		{"ESN without the replay check", "manual_sas[1].esn", "upper half", func(_ *Document, _, in *ManualSA) { in.ESN, in.NoReplay = true, true }},
		{"a window without the replay check", "manual_sas[1].replay_window", "no window", func(_ *Document, _, in *ManualSA) { in.ReplayWindow, in.NoReplay = 64, true }},
		{"AH in UDP", "manual_sas[0].udp_port", "cannot go in UDP", func(_ *Document, out, _ *ManualSA) {
			out.Protocol, out.Encryption, out.EncryptionKey, out.UDPPort = "ah", "", "", 4500
		}},
		{"due after the end", "manual_sas[0].soft_packets", "beyond the end", func(_ *Document, out, _ *ManualSA) { out.SoftPackets, out.HardPackets = 5, 4 }},
		{"another's address here", "manual_sas[0].source", "not one of this gateway's", func(_ *Document, out, _ *ManualSA) { out.Source = addr("203.0.113.77") }},
		{"a successor elsewhere", "manual_sas[0].successor", "same direction", func(_ *Document, out, _ *ManualSA) { out.Successor, out.SoftHours = "in", 5 }},
		{"a successor for never", "manual_sas[0].successor", "say when", func(_ *Document, out, _ *ManualSA) { out.Successor = "in" }},
		{"an SA of the other direction", "policies[0].sas[0]", "other direction", func(d *Document, _, _ *ManualSA) { d.Policies[0].SAs = []string{"in"} }},
		{"an SA that is off", "policies[0].sas[0]", "switched off", func(_ *Document, out, _ *ManualSA) { out.Enabled = false }},
		{"an SA for two policies", "policies[2].sas[0]", "serves the policy out", func(d *Document, _, _ *ManualSA) {
			p := d.Policies[0]
			p.Name = "third"
			d.Policies = append(d.Policies, p)
		}},
		{"protection from nobody knows where", "policies[0].destinations", "routes", func(d *Document, _, _ *ManualSA) { d.Policies[0].Destinations = nil }},
		{"transport mode for networks", "policies[0].destinations", "between hosts", func(_ *Document, out, _ *ManualSA) { out.Mode = "transport" }},
		{"bypass by ports", "policies[0].services", "by addresses only", func(d *Document, _, _ *ManualSA) {
			d.Services = []Service{{Name: "web", Protocol: "tcp"}}
			d.Policies[0] = Policy{Name: "past", Direction: Out, Protection: Bypass, Destinations: ranges("10.9.0.0/24"), Services: []string{"web"}}
		}},
		{"ports without a service", "policies[0].source_ports", "name one", func(d *Document, _, _ *ManualSA) { d.Policies[0].SourcePorts = []PortRange{{1, 2}} }},
		{"a flow label of 21 bits", "policies[0].flow_labels[0]", "1048575", func(d *Document, _, _ *ManualSA) { d.Policies[0].FlowLabels = []uint32{1 << 20} }},
	} {
		t.Run(row.name, func(t *testing.T) {
			doc := byHand(t)
			row.spoil(&doc, &doc.ManualSAs[0], &doc.ManualSAs[1])
			var found ValidationError
			err := doc.Validate()
			if !errors.As(err, &found) || !slices.ContainsFunc(found, func(f FieldError) bool { return f.Field == row.field && strings.Contains(f.Message, row.says) }) {
				t.Errorf("%v", err)
			}
			if err != nil && strings.Contains(err.Error(), "5600d5eedc0ffee") {
				t.Errorf("a key shows in %v", err)
			}
		})
	}
}

func TestWhatHandsMayDo(t *testing.T) {
	for name, change := range map[string]func(*Document){
		"what is broken, if it is admitted": func(d *Document) {
			s := &d.ManualSAs[0]
			s.Legacy, s.Encryption, s.EncryptionKey = true, "3des-cbc", "c0ffee15600d5eed0123456789abcdff0f1e2d3c4b5a6978"
		},
		"no replay check, knowingly": func(d *Document) { d.ManualSAs[1].NoReplay = true },
		"everything into the tunnel": func(d *Document) { d.Policies[0].Destinations = ranges("0.0.0.0/0") },
		"an SA of its own for AH around ESP": func(d *Document) {
			ah := d.ManualSAs[0]
			ah.Name, ah.Protocol, ah.Mode, ah.SPI, ah.Encryption, ah.EncryptionKey, ah.IntegrityKey = "ah", "ah", "transport", 0x1005, "", "", ah.IntegrityKey[2:]+"77"
			d.ManualSAs = append(d.ManualSAs, ah)
			d.Policies[0].SAs = append(d.Policies[0].SAs, "ah")
		},
	} {
		doc := byHand(t)
		change(&doc)
		if err := doc.Validate(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestCountersOfSAsAreKept(t *testing.T) {
	dir := t.TempDir()
	db := open(t, dir)
	want := []SACounter{
		{SA: "in", Keys: "aa", Since: time.UnixMilli(1_800_000_000_000), Sequence: 1<<64 - 2, Packets: 1, Bytes: 2, Ended: true},
		{SA: "out", Keys: "bb", Since: time.UnixMilli(1_800_000_000_000), Sequence: 7},
	}
	if err := db.PutSACounters(t.Context(), want); err != nil {
		t.Fatal(err)
	}
	want[1].Sequence = 9
	if err := db.PutSACounters(t.Context(), want[1:]); err != nil {
		t.Fatal(err)
	}
	got, err := open(t, dir).SACounters(t.Context())
	if err != nil || !slices.EqualFunc(got, want, func(a, b SACounter) bool {
		return a.Since.Equal(b.Since) && a.Sequence == b.Sequence && a.Keys == b.Keys && a.Ended == b.Ended
	}) {
		t.Errorf("%v %+v", err, got)
	}
}
