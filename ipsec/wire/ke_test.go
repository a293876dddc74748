package wire

import "testing"

func TestKeyExchange(t *testing.T) {
	golden(t, &KeyExchange{Group: 31, Data: []byte{1, 2, 3}}, "001f 0000 010203")
	golden(t, &KeyExchange{Group: 14}, "000e 0000")
}

func TestReservedBytesOfKEAreIgnored(t *testing.T) {
	p, err := parseKE(unhex(t, "001f ffff 01"))
	if err != nil {
		t.Fatal(err)
	}
	if d := diff(Payload(&KeyExchange{Group: 31, Data: []byte{1}}), p); d != "" {
		t.Error(d)
	}
}

func TestKeyExchangeThatIsRefused(t *testing.T) {
	refused(t, TypeKE, map[string]string{
		"nothing": "", "half a group": "00", "no reserved bytes": "001f", "half of the reserved bytes": "001f 00",
	})
}

func FuzzKeyExchange(f *testing.F) { fuzzBody(f, []PayloadType{TypeKE}, "", "001f 0000 010203") }
