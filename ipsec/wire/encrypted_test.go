package wire

import (
	"bytes"
	"errors"
	"testing"
)

func TestEncryptedStaysSealed(t *testing.T) {
	m := &Message{Header: Header{SPIi: 1, SPIr: 2, Major: 2, Exchange: IKEAuth}, Payloads: []Payload{
		&Notify{NotifyType: Cookie}, &Encrypted{First: TypeIDi, Data: []byte("sealed")},
	}}
	raw, err := m.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	want := unhex(t, "0000000000000001 0000000000000002 29 20 23 00 00000000 0000002e"+
		"2e 00 0008 00 00 4006 23 00 000a 7365616c6564")
	if !bytes.Equal(raw, want) {
		t.Fatalf("built\n%x, want\n%x", raw, want)
	}
	got, err := Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	if d := diff(m.Payloads, got.Payloads); d != "" {
		t.Error(d)
	}
}

func TestFragment(t *testing.T) {
	for _, p := range []*Fragment{
		{First: TypeIDi, Number: 1, Total: 3, Data: []byte("sealed")},
		{Number: 3, Total: 3, Data: []byte("sealed")},
	} {
		first, raw, err := MarshalPayloads([]Payload{p})
		if err != nil {
			t.Fatal(err)
		}
		got, err := ParsePayloads(first, raw)
		if err != nil {
			t.Fatal(err)
		}
		if d := diff([]Payload{p}, got); d != "" {
			t.Error(d)
		}
	}
}

func TestFragmentThatIsRefused(t *testing.T) {
	refused(t, TypeSKF, map[string]string{
		"nothing":                           "",
		"the total is cut off":              "0001 00",
		"fragment 0 (RFC 7383 section 2.5)": "0000 0001 aa",
		"fragment 4 of 3":                   "0004 0003 aa",
		"fragment 0 of 0":                   "0000 0000",
	})
}

const toyICV = "ICV."

// toy seals by adding its parts in clear, so that tests see them.
func toy(t *testing.T, wantAD *[]byte) Sealer {
	return Sealer{
		Len: func(n int) int { return n + len(toyICV) },
		Seal: func(ad, plain []byte) ([]byte, error) {
			*wantAD = bytes.Clone(ad)
			return append(bytes.Clone(plain), toyICV...), nil
		},
	}
}

func toyOpen(ad, sealed []byte) ([]byte, error) {
	plain, ok := bytes.CutSuffix(sealed, []byte(toyICV))
	if !ok {
		return nil, errToy
	}
	return plain, nil
}

var errToy = errors.New("not sealed by the toy")

func TestWhatIsSealedOpens(t *testing.T) {
	for name, inside := range map[string][]Payload{"every payload": authPayloads(), "nothing at all": nil} {
		t.Run(name, func(t *testing.T) {
			var sealedAD []byte
			h := Header{SPIi: 1, SPIr: 2, Exchange: IKEAuth, Flags: FlagInitiator, MessageID: 1}
			raw, err := SealMessage(h, inside, toy(t, &sealedAD))
			if err != nil {
				t.Fatal(err)
			}
			// RFC 7296 section 3.14 and RFC 5282 section 5.1: from the first
			// byte of the header to the generic header of SK, lengths included.
			if !bytes.Equal(sealedAD, raw[:HeaderLen+genericHeaderLen]) {
				t.Errorf("sealed with %x, the message is %x", sealedAD, raw)
			}
			m, err := OpenMessage(raw, func(ad, sealed []byte) ([]byte, error) {
				if !bytes.Equal(ad, sealedAD) {
					t.Errorf("opened with %x, sealed with %x", ad, sealedAD)
				}
				return toyOpen(ad, sealed)
			})
			if err != nil {
				t.Fatal(err)
			}
			if d := diff(inside, m.Payloads); d != "" {
				t.Error(d)
			}
			if m.Header.MessageID != 1 || m.Header.NextPayload != TypeSK || int(m.Header.Length) != len(raw) {
				t.Errorf("header %+v", m.Header)
			}
			for n := range raw {
				if _, err := OpenMessage(raw[:n], toyOpen); err == nil {
					t.Errorf("opened when cut to %d bytes", n)
				}
			}
		})
	}
}

// sealRaw builds a message around any inside.
func sealRaw(t *testing.T, before []Payload, first PayloadType, inside []byte) []byte {
	t.Helper()
	raw, err := (&Message{Header: Header{SPIi: 1}, Payloads: append(before,
		&Encrypted{First: first, Data: append(bytes.Clone(inside), toyICV...)})}).Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func TestOpenRefuses(t *testing.T) {
	init, err := initRequest().Marshal()
	if err != nil {
		t.Fatal(err)
	}
	for name, raw := range map[string][]byte{
		"a message without SK":              init,
		"an SK payload inside SK":           sealRaw(t, nil, TypeSK, unhex(t, "00 00 0004")),
		"a fragment inside SK":              sealRaw(t, nil, TypeSKF, unhex(t, "00 00 0008 0001 0001")),
		"an inside that is cut off":         sealRaw(t, nil, TypeNotify, unhex(t, "00 00 0008 00 00")),
		"an inside that goes on":            sealRaw(t, nil, NoNext, []byte{0}),
		"an inside that promises a payload": sealRaw(t, nil, TypeNotify, nil),
	} {
		t.Run(name, func(t *testing.T) {
			m, err := OpenMessage(raw, toyOpen)
			var e *Error
			if !errors.As(err, &e) {
				t.Errorf("got %+v, %v", m, err)
			}
		})
	}
	t.Run("a seal that does not open, with its own error", func(t *testing.T) {
		raw := sealRaw(t, nil, NoNext, nil)
		raw[len(raw)-1] ^= 1
		if _, err := OpenMessage(raw, toyOpen); !errors.Is(err, errToy) {
			t.Errorf("got %v", err)
		}
	})
}

// What travels in clear before SK must not be taken for part of the inside,
// except that an unknown critical payload has to be answered.
func TestClearPayloadsBeforeSK(t *testing.T) {
	before := []Payload{&Notify{NotifyType: InitialContact}, &Unknown{PType: 200, Critical: true}, &Unknown{PType: 201}}
	m, err := OpenMessage(sealRaw(t, before, TypeVendor, unhex(t, "00 00 0005 01")), toyOpen)
	if err != nil {
		t.Fatal(err)
	}
	if d := diff([]Payload{&Unknown{PType: 200, Critical: true}, &VendorID{Data: []byte{1}}}, m.Payloads); d != "" {
		t.Error(d)
	}
}

func TestSealingThatFails(t *testing.T) {
	var ad []byte
	broken := toy(t, &ad)
	broken.Seal = func(ad, plain []byte) ([]byte, error) { return nil, errToy }
	if _, err := SealMessage(Header{}, nil, broken); !errors.Is(err, errToy) {
		t.Errorf("got %v", err)
	}
	short := toy(t, &ad)
	short.Len = func(n int) int { return n }
	if _, err := SealMessage(Header{}, nil, short); err == nil {
		t.Error("sent a length that is wrong")
	}
	big := []Payload{&VendorID{Data: make([]byte, 65500)}}
	if _, err := SealMessage(Header{}, big, toy(t, &ad)); err == nil {
		t.Error("built a message that is too long")
	}
	if _, err := SealMessage(Header{}, []Payload{&SA{}}, toy(t, &ad)); err == nil {
		t.Error("sealed an SA payload that cannot be built")
	}
}

// FuzzOpenMessage reads the inside of a message as an authenticated peer may
// write it.
func FuzzOpenMessage(f *testing.F) {
	first, inside, err := MarshalPayloads(authPayloads())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(uint8(first), inside)
	f.Add(uint8(NoNext), []byte{})
	f.Add(uint8(TypeSK), []byte{0, 0, 0, 4})
	f.Fuzz(func(t *testing.T, first uint8, inside []byte) {
		if len(inside) > 60000 {
			return
		}
		m, err := OpenMessage(sealRaw(t, nil, PayloadType(first), inside), toyOpen)
		if err != nil {
			checkError(t, err)
			return
		}
		rebuild(t, m.Payloads)
	})
}
