package wire

import (
	"errors"
	"strings"
	"testing"
)

const goldenHeader = "0102030405060708 1112131415161718 21 20 22 28 00000007 0000001c"

func TestHeader(t *testing.T) {
	got, err := ParseHeader(unhex(t, goldenHeader))
	if err != nil {
		t.Fatal(err)
	}
	want := Header{
		SPIi: 0x0102030405060708, SPIr: 0x1112131415161718, NextPayload: TypeSA, Major: 2,
		Exchange: IKESAInit, Flags: FlagInitiator | FlagResponse, MessageID: 7, Length: 28,
	}
	if got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if !got.Response() || !got.FromInitiator() {
		t.Error("the flags are not seen")
	}
	if h := (Header{Flags: FlagVersion}); h.Response() || h.FromInitiator() {
		t.Error("flags are seen that are not there")
	}
}

// The state machine answers a higher major version, so it must get to see it.
func TestOtherVersionsAreRead(t *testing.T) {
	raw := unhex(t, goldenHeader)
	raw[17] = 0x3f
	h, err := ParseHeader(raw)
	if err != nil || h.Major != 3 || h.Minor != 15 {
		t.Errorf("got %d.%d, %v", h.Major, h.Minor, err)
	}
}

func TestHeaderThatIsRefused(t *testing.T) {
	for name, raw := range map[string]string{
		"nothing":                       "",
		"the marker of zeros only":      "00000000",
		"a byte short":                  goldenHeader[:len(goldenHeader)-2],
		"a byte more than it says":      goldenHeader + "00",
		"a length of zero":              strings.Replace(goldenHeader, "0000001c", "00000000", 1),
		"a length below the header":     strings.Replace(goldenHeader, "0000001c", "0000001b", 1),
		"a length beyond the datagram":  strings.Replace(goldenHeader, "0000001c", "0000001d", 1),
		"a length that wraps 32 bits":   strings.Replace(goldenHeader, "0000001c", "ffffffff", 1),
		"more than a datagram can hold": strings.Replace(goldenHeader, "0000001c", "00010000", 1) + repeat("00", 65536-28),
	} {
		t.Run(name, func(t *testing.T) {
			h, err := ParseHeader(unhex(t, raw))
			var e *Error
			if !errors.As(err, &e) || h != (Header{}) {
				t.Errorf("got %+v, %v", h, err)
			}
		})
	}
}

func TestHeaderFieldsAreNamed(t *testing.T) {
	for want, got := range map[string]string{
		"IKE_SA_INIT": IKESAInit.String(), "IKE_AUTH": IKEAuth.String(), "CREATE_CHILD_SA": CreateChildSA.String(),
		"INFORMATIONAL": Informational.String(), "exchange 99": ExchangeType(99).String(),
		"SA": TypeSA.String(), "SKF": TypeSKF.String(), "type 200": PayloadType(200).String(),
		"initiator+response": (FlagInitiator | FlagResponse).String(), "version": FlagVersion.String(), "": Flags(1).String(),
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func FuzzHeader(f *testing.F) {
	f.Add(unhex(f, goldenHeader))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, raw []byte) {
		h, err := ParseHeader(raw)
		if err != nil {
			checkError(t, err)
			return
		}
		if int(h.Length) != len(raw) || len(raw) < HeaderLen {
			t.Fatalf("%d bytes gave %+v", len(raw), h)
		}
	})
}
