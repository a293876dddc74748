package sad

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"testing"

	"gatehouse/ipsec/crypto"
)

var secret = []byte("\xde\xad\xbe\xefnobody may read this")

func valid(t *testing.T) SA {
	t.Helper()
	suite, err := crypto.ParseESPSuite("aes256-sha256")
	if err != nil {
		t.Fatal(err)
	}
	enc, integ := crypto.ChildKeySizes(suite)
	return SA{
		SPI: 256, Protocol: ESP, Policy: 1, Suite: suite, ReplayWindow: 64,
		Local: netip.MustParseAddr("192.0.2.1"), Remote: netip.MustParseAddr("192.0.2.2"),
		EncryptionKey: bytes.Repeat(secret, 2)[:enc], IntegrityKey: bytes.Repeat(secret, 2)[:integ],
		LocalTS: []Selector{prefix("10.1.0.0/24")}, RemoteTS: []Selector{prefix("10.2.0.0/24")},
	}
}

func TestValidate(t *testing.T) {
	for _, row := range []struct {
		name  string
		spoil func(*SA)
		want  string // in the error; empty if it is valid
	}{
		{"a whole SA", func(*SA) {}, ""},
		{"the window means nothing outbound", func(sa *SA) { sa.Direction, sa.ReplayWindow = Out, 0 }, ""},
		{"the largest window", func(sa *SA) { sa.ReplayWindow = MaxReplayWindow }, ""},
		{"the replay check switched off", func(sa *SA) { sa.ReplayWindow, sa.NoReplay = 0, true }, ""},
		{"the replay check off, with a window", func(sa *SA) { sa.NoReplay = true }, "no replay check"},
		{"the replay check off, with ESN", func(sa *SA) { sa.ReplayWindow, sa.NoReplay, sa.ESN = 0, true, true }, "extended"},
		{"neither ESP nor AH", func(sa *SA) { sa.Protocol = 6 }, "neither"},
		{"AH with a suite of ESP", func(sa *SA) { sa.Protocol = AH }, "not for AH"},
		{"ESP without integrity", func(sa *SA) { sa.Suite.Integrity, sa.IntegrityKey = 0, nil }, "not whole"},
		{"AH in UDP", func(sa *SA) {
			sa.Protocol, sa.Suite, sa.EncryptionKey, sa.Encap = AH, crypto.Suite{Integrity: sa.Suite.Integrity}, nil, &Encap{4500, 4500}
		}, "cannot go in UDP"},
		{"AH", func(sa *SA) {
			sa.Protocol, sa.Suite, sa.EncryptionKey = AH, crypto.Suite{Integrity: sa.Suite.Integrity}, nil
		}, ""},
		{"an outbound SA of either mode", func(sa *SA) { sa.Mode, sa.Direction = Either, Out }, "outbound"},
		{"an inbound SA of either mode", func(sa *SA) { sa.Mode = Either }, ""},
		{"padding of the length in transport mode", func(sa *SA) { sa.Mode, sa.Outer.PadTo = Transport, 1000 }, "tunnel mode"},
		{"a DSCP that is none", func(sa *SA) { sa.Outer.DSCP = 64 }, "DSCP"},
		{"a soft bound above the hard one", func(sa *SA) { sa.Lifetime = Lifetime{Soft: Bound{Bytes: 2}, Hard: Bound{Bytes: 1}} }, "soft lifetime"},
		{"a soft bound without a hard one", func(sa *SA) { sa.Lifetime = Lifetime{Soft: Bound{Packets: 2}} }, ""},
		{"a counter too long", func(sa *SA) { sa.Sent = 1 << 32 }, "64 bits"},
		{"a reserved SPI", func(sa *SA) { sa.SPI = 255 }, "reserved"},
		{"no policy", func(sa *SA) { sa.Policy = 0 }, "policy"},
		{"no replay window", func(sa *SA) { sa.ReplayWindow = 0 }, "replay window of 0"},
		{"a replay window beyond reason", func(sa *SA) { sa.ReplayWindow = MaxReplayWindow + 1 }, "replay window"},
		{"outer addresses of two families", func(sa *SA) { sa.Remote = netip.MustParseAddr("2001:db8::1") }, "family"},
		{"no outer address", func(sa *SA) { sa.Local = netip.Addr{} }, "family"},
		{"no selectors here", func(sa *SA) { sa.LocalTS = nil }, "selectors"},
		{"no selectors there", func(sa *SA) { sa.RemoteTS = nil }, "selectors"},
		{"an encryption key too short", func(sa *SA) { sa.EncryptionKey = sa.EncryptionKey[1:] }, "encryption key"},
		{"no integrity key", func(sa *SA) { sa.IntegrityKey = nil }, "integrity key"},
	} {
		t.Run(row.name, func(t *testing.T) {
			sa := valid(t)
			row.spoil(&sa)
			err := sa.Validate()
			if row.want == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), row.want) {
				t.Fatalf("%v, want %q", err, row.want)
			}
			revealsNoKey(t, err.Error())
		})
	}
}

func TestNothingShowsAKey(t *testing.T) {
	sa := valid(t)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%X", "%q", "%d"} {
		revealsNoKey(t, fmt.Sprintf(verb, sa))
		revealsNoKey(t, fmt.Sprintf(verb, &sa))
		revealsNoKey(t, fmt.Sprintf(verb, []SA{sa}))
	}
	var text, structured bytes.Buffer
	for _, h := range []slog.Handler{slog.NewTextHandler(&text, nil), slog.NewJSONHandler(&structured, nil)} {
		slog.New(h).Info("installed", "sa", sa, "also", &sa)
	}
	revealsNoKey(t, text.String())
	revealsNoKey(t, structured.String())
}

// revealsNoKey looks for the key's text, its hexadecimal and its decimal form.
func revealsNoKey(t *testing.T, out string) {
	t.Helper()
	for _, form := range []string{"nobody may", hex.EncodeToString(secret[:4]), "222 173 190", "222,173,190", "3q2+7"} {
		if strings.Contains(strings.ToLower(out), strings.ToLower(form)) {
			t.Errorf("a key shows in %q", out)
		}
	}
}
