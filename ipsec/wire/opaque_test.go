package wire

import "testing"

func TestOpaque(t *testing.T) {
	golden(t, &VendorID{Data: []byte("Gatehouse")}, "4761746568 6f757365")
	golden(t, &VendorID{}, "")
	golden(t, &EAP{Data: []byte{1, 2, 0, 5, 1}}, "0102000501")
}

func TestUnknownPayloadsKeepTheirCriticalBit(t *testing.T) {
	for _, critical := range []bool{false, true} {
		golden(t, &Unknown{PType: 200, Critical: critical, Data: []byte{1}}, "01")
	}
	// The low bits are reserved, and the bit means nothing on a known payload
	// (RFC 7296 section 2.5).
	ps, err := ParsePayloads(200, unhex(t, "2b 7f 0004 00 80 0005 aa"))
	if err != nil {
		t.Fatal(err)
	}
	if d := diff([]Payload{&Unknown{PType: 200}, &VendorID{Data: []byte{0xaa}}}, ps); d != "" {
		t.Error(d)
	}
}

func FuzzOpaque(f *testing.F) {
	fuzzBody(f, []PayloadType{TypeVendor, TypeEAP, 1, 49, 200, 255}, "", "00", "01020304")
}
