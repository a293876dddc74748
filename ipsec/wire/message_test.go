package wire

import (
	"bytes"
	"encoding/hex"
	"errors"
	"net/netip"
	"reflect"
	"testing"
)

// initRequest is an IKE_SA_INIT request as a peer sends it.
func initRequest() *Message {
	return &Message{
		Header: Header{SPIi: 0x0102030405060708, Major: 2, Exchange: IKESAInit, Flags: FlagInitiator},
		Payloads: []Payload{
			&SA{Proposals: []Proposal{{Number: 1, Protocol: ProtocolIKE, Transforms: []Transform{
				{Type: TransformEncryption, ID: 20, KeyLength: 256}, {Type: TransformPRF, ID: 5}, {Type: TransformGroup, ID: 31},
			}}}},
			&KeyExchange{Group: 31, Data: bytes.Repeat([]byte{0x5a}, 32)},
			&Nonce{Data: bytes.Repeat([]byte{0xa5}, 32)},
			&Notify{NotifyType: NATDetectionSourceIP, Data: bytes.Repeat([]byte{1}, 20)},
			&Notify{NotifyType: NATDetectionDestIP, Data: bytes.Repeat([]byte{2}, 20)},
			&Notify{NotifyType: SignatureHashAlgorithms, Data: []byte{0, 2}},
			&VendorID{Data: []byte("Gatehouse")},
		},
	}
}

// The same request, byte for byte.
const goldenInit = "0102030405060708 0000000000000000 21 20 22 08 00000000 000000df" +
	"22 00 0028" + ikeOffer +
	"28 00 0028 001f 0000 5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a" +
	"29 00 0024 a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5" +
	"29 00 001c 00 00 4004 0101010101010101010101010101010101010101" +
	"29 00 001c 00 00 4005 0202020202020202020202020202020202020202" +
	"2b 00 000a 00 00 402f 0002" +
	"00 00 000d 476174 65686f757365"

// authPayloads are what IKE_AUTH carries inside SK, and more.
func authPayloads() []Payload {
	v4 := TrafficSelector{Type: TSIPv4, EndPort: 65535, Start: netip.MustParseAddr("10.1.0.0"), End: netip.MustParseAddr("10.1.255.255")}
	return []Payload{
		&ID{IDType: 2, Data: []byte("left.example")},
		&Cert{Encoding: 4, Data: []byte{0x30, 0x03, 1, 2, 3}},
		&CertRequest{Encoding: 4, Authorities: bytes.Repeat([]byte{7}, 20)},
		&ID{Responder: true, IDType: 2, Data: []byte("right.example")},
		&Auth{Method: AuthSharedKey, Data: bytes.Repeat([]byte{9}, 32)},
		&Config{CFGType: 1, Attributes: []Attribute{{Type: 1}, {Type: 3, Value: []byte{9, 9, 9, 9}}}},
		&SA{Proposals: []Proposal{{Number: 1, Protocol: ProtocolESP, SPI: []byte{1, 2, 3, 4}, Transforms: []Transform{
			{Type: TransformEncryption, ID: 20, KeyLength: 128}, {Type: TransformESN},
		}}}},
		&TS{Selectors: []TrafficSelector{v4}},
		&TS{Responder: true, Selectors: []TrafficSelector{v4, v4}},
		&Notify{NotifyType: InitialContact},
		&EAP{Data: []byte{1, 1, 0, 4}},
		&Delete{Protocol: ProtocolESP, SPIs: [][]byte{{1, 2, 3, 4}}},
		&Unknown{PType: 200, Data: []byte{1, 2}},
		&Nonce{Data: make([]byte, 16)},
	}
}

func TestGoldenInit(t *testing.T) {
	raw, err := initRequest().Marshal()
	if err != nil {
		t.Fatal(err)
	}
	if want := unhex(t, goldenInit); !bytes.Equal(raw, want) {
		t.Fatalf("built\n%x, want\n%x", raw, want)
	}
	got, err := Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	want := initRequest()
	want.Header.NextPayload, want.Header.Length = TypeSA, uint32(len(raw))
	if d := diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestAHeaderAloneIsAMessage(t *testing.T) {
	m := &Message{Header: Header{SPIi: 1, Exchange: Informational}}
	raw, err := m.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	got, err := Parse(raw)
	if err != nil || got.Header.Major != 2 || len(got.Payloads) != 0 {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestAllPayloadsTogether(t *testing.T) {
	first, raw, err := MarshalPayloads(authPayloads())
	if err != nil {
		t.Fatal(err)
	}
	got, err := ParsePayloads(first, raw)
	if err != nil {
		t.Fatal(err)
	}
	if d := diff(authPayloads(), got); d != "" {
		t.Error(d)
	}
}

func TestMessagesCutAnywhereAreRefused(t *testing.T) {
	raw := unhex(t, goldenInit)
	for n := range raw {
		if m, err := Parse(raw[:n]); err == nil {
			t.Errorf("cut to %d bytes: %+v", n, m)
		}
		// With a header that fits, so that the payloads themselves are read.
		if n >= HeaderLen {
			cut := bytes.Clone(raw[:n])
			cut[26], cut[27] = byte(n>>8), byte(n)
			if m, err := Parse(cut); err == nil {
				t.Errorf("cut to %d bytes with that length: %+v", n, m)
			}
		}
	}
	first, inside, err := MarshalPayloads(authPayloads())
	if err != nil {
		t.Fatal(err)
	}
	for n := range inside {
		if ps, err := ParsePayloads(first, inside[:n]); err == nil {
			t.Errorf("the inside cut to %d bytes: %+v", n, ps)
		}
	}
}

// Any one byte may be anything: no panic, and a typed error.
func TestMessagesChangedAnywhereDoNoHarm(t *testing.T) {
	raw := unhex(t, goldenInit)
	first, inside, err := MarshalPayloads(authPayloads())
	if err != nil {
		t.Fatal(err)
	}
	for _, value := range []byte{0, 1, 3, 4, 7, 8, 250, 255} {
		for i := range raw {
			bad := bytes.Clone(raw)
			bad[i] = value
			if _, err := Parse(bad); err != nil {
				checkError(t, err)
			}
		}
		for i := range inside {
			bad := bytes.Clone(inside)
			bad[i] = value
			if _, err := ParsePayloads(first, bad); err != nil {
				checkError(t, err)
			}
		}
	}
}

func TestChainsThatAreRefused(t *testing.T) {
	for name, row := range map[string]struct {
		first PayloadType
		raw   string
	}{
		"a payload is promised and missing":        {TypeNotify, ""},
		"half a generic header":                    {TypeNotify, "00 00"},
		"a payload length of zero":                 {TypeVendor, "00 00 0000"},
		"a payload length of three":                {TypeVendor, "00 00 0003"},
		"a payload length beyond the message":      {TypeVendor, "00 00 0005"},
		"a chain that points at itself":            {TypeVendor, "2b 00 0004"},
		"bytes after the last payload":             {TypeVendor, "00 00 0004 00"},
		"bytes where no payload is promised":       {NoNext, "00"},
		"an SK payload before others":              {TypeSK, "29 00 0008 01020304 00 00 0008 00 00 4006"},
		"65 payloads":                              {TypeVendor, repeat("2b 00 0004", 64) + "00 00 0004"},
		"an unknown payload that is cut off":       {200, "00 80 0008 00"},
		"a type of zero is the end, not a payload": {TypeVendor, "00 00 0004 00 00 0004"},
	} {
		t.Run(name, func(t *testing.T) {
			ps, err := ParsePayloads(row.first, unhex(t, row.raw))
			var e *Error
			if !errors.As(err, &e) {
				t.Errorf("got %v, %v", ps, err)
			}
		})
	}
}

func TestMessagesThatCannotBeBuilt(t *testing.T) {
	big := &VendorID{Data: make([]byte, 40000)}
	if _, err := (&Message{Payloads: []Payload{big, big}}).Marshal(); err == nil {
		t.Error("built a message of 80000 bytes")
	}
	unbuildable(t, map[string]Payload{"a payload whose length needs three bytes": &VendorID{Data: make([]byte, 65532)}})
	if _, _, err := MarshalPayloads([]Payload{&Encrypted{}, &Nonce{}}); err == nil {
		t.Error("built a payload behind SK")
	}
	if _, _, err := MarshalPayloads([]Payload{&Fragment{Number: 1, Total: 1}, &Nonce{}}); err == nil {
		t.Error("built a payload behind SKF")
	}
}

func FuzzMessage(f *testing.F) {
	f.Add(unhex(f, goldenInit))
	f.Add(unhex(f, goldenHeader))
	for _, last := range []Payload{&Encrypted{First: TypeIDi, Data: make([]byte, 40)},
		&Fragment{First: TypeIDi, Number: 1, Total: 3, Data: make([]byte, 40)}} {
		raw, err := (&Message{Header: Header{SPIi: 1, SPIr: 2, Exchange: IKEAuth}, Payloads: []Payload{last}}).Marshal()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	all, err := (&Message{Header: Header{SPIi: 1}, Payloads: authPayloads()}).Marshal()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(all)
	f.Fuzz(func(t *testing.T, raw []byte) {
		m, err := Parse(raw)
		if err != nil {
			checkError(t, err)
			return
		}
		rebuild(t, m.Payloads)
		if hasUnknownTransform(m.Payloads) || m.Header.Major == 0 {
			return
		}
		built, err := m.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		again, err := Parse(built)
		if err != nil {
			t.Fatal(err)
		}
		// Comparing in detail is slow, see rebuild.
		if !reflect.DeepEqual(m, again) {
			if d := diff(m, again); d != "" {
				t.Fatalf("the meaning changed (-before +after):\n%s", d)
			}
		}
		// What we build ourselves is a fixed point.
		twice, err := again.Marshal()
		if err != nil || !bytes.Equal(twice, built) {
			t.Fatalf("built\n%s, then\n%s (%v)", hex.EncodeToString(built), hex.EncodeToString(twice), err)
		}
	})
}

func BenchmarkParse(b *testing.B) {
	raw := unhex(b, goldenInit)
	first, inside, err := MarshalPayloads(authPayloads())
	if err != nil {
		b.Fatal(err)
	}
	b.Run("IKE_SA_INIT", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := Parse(raw); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("inside IKE_AUTH", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := ParsePayloads(first, inside); err != nil {
				b.Fatal(err)
			}
		}
	})
}
