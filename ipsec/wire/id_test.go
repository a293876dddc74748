package wire

import (
	"bytes"
	"testing"
)

func TestID(t *testing.T) {
	golden(t, &ID{IDType: 2, Data: []byte("a.example")}, "02 000000 612e6578616d706c65")
	golden(t, &ID{Responder: true, IDType: 1, Data: []byte{192, 0, 2, 1}}, "01 000000 c0000201")
	golden(t, &ID{IDType: 11}, "0b 000000")
}

// AUTH covers the bytes as they were sent, the meaningless ones too (RFC 7296
// section 2.15).
func TestIDKeepsReservedBytesForAUTH(t *testing.T) {
	raw := unhex(t, "02 a1b2c3 61")
	for _, typ := range []PayloadType{TypeIDi, TypeIDr} {
		p, err := parseID(typ, raw)
		if err != nil {
			t.Fatal(err)
		}
		id, ok := p.(*ID)
		if !ok || id.Type() != typ || !bytes.Equal(id.Body(), raw) {
			t.Errorf("%s: got %+v", typ, p)
		}
	}
	if got := (&ID{IDType: 2, Data: []byte("a")}).Body(); !bytes.Equal(got, []byte{2, 0, 0, 0, 'a'}) {
		t.Errorf("our own identity is %x", got)
	}
}

func TestIDThatIsRefused(t *testing.T) {
	rows := map[string]string{"nothing": "", "a type alone": "02", "reserved bytes are cut off": "02 0000"}
	refused(t, TypeIDi, rows)
	refused(t, TypeIDr, rows)
}

func FuzzID(f *testing.F) {
	fuzzBody(f, []PayloadType{TypeIDi, TypeIDr}, "", "02 000000 61", "02 a1b2c3 61")
}
