package wire

import (
	"encoding/hex"
	"errors"
	"net/netip"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// unhex reads hexadecimal bytes with spaces between fields.
func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// diff compares parsed things; absent and empty bytes are the same on the
// wire.
func diff(a, b any) string {
	return cmp.Diff(a, b, cmpopts.EquateEmpty(), cmpopts.EquateComparable(netip.Addr{}),
		cmp.Exporter(func(reflect.Type) bool { return true }))
}

// golden checks that p is built as body behind its generic header, and that
// these bytes are read as p again.
func golden(t *testing.T, p Payload, body string) {
	t.Helper()
	first, raw, err := MarshalPayloads([]Payload{p})
	if err != nil {
		t.Fatal(err)
	}
	if first != p.Type() {
		t.Errorf("the chain starts with %s, want %s", first, p.Type())
	}
	want := unhex(t, body)
	if len(raw) < genericHeaderLen || hex.EncodeToString(raw[genericHeaderLen:]) != hex.EncodeToString(want) {
		t.Fatalf("built\n%x, want a generic header and\n%x", raw, want)
	}
	if length := int(raw[2])<<8 | int(raw[3]); length != len(raw) {
		t.Errorf("the generic header says %d bytes of %d", length, len(raw))
	}
	got, err := ParsePayloads(first, raw)
	if err != nil {
		t.Fatal(err)
	}
	if d := diff([]Payload{p}, got); d != "" {
		t.Errorf("read back differently (-want +got):\n%s", d)
	}
}

// chain puts a generic header before the body of a single payload.
func chain(b []byte) []byte {
	n := len(b) + genericHeaderLen
	return append([]byte{0, 0, byte(n >> 8), byte(n)}, b...)
}

// refused checks that none of the bodies is read as a payload of the type, and
// that the error says which payload it was.
func refused(t *testing.T, typ PayloadType, bodies map[string]string) {
	t.Helper()
	for name, body := range bodies {
		t.Run(name, func(t *testing.T) {
			ps, err := ParsePayloads(typ, chain(unhex(t, body)))
			var e *Error
			if !errors.As(err, &e) || e.Payload != typ || !strings.Contains(err.Error(), typ.String()) {
				t.Errorf("got %v, %v", ps, err)
			}
		})
	}
}

// unbuildable checks that these payloads are refused instead of being cut.
func unbuildable(t *testing.T, rows map[string]Payload) {
	t.Helper()
	for name, p := range rows {
		t.Run(name, func(t *testing.T) {
			if _, raw, err := MarshalPayloads([]Payload{p}); err == nil {
				t.Errorf("built %d bytes", len(raw))
			}
		})
	}
}

// fuzzBody fuzzes one payload type: no panic, and what is read can be built
// and read again with the same meaning.
func fuzzBody(f *testing.F, types []PayloadType, seeds ...string) {
	for _, s := range seeds {
		f.Add(unhex(f, s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		if len(body) > MaxMessage-HeaderLen-genericHeaderLen {
			return
		}
		for _, typ := range types {
			ps, err := ParsePayloads(typ, chain(body))
			if err != nil {
				checkError(t, err)
				continue
			}
			rebuild(t, ps)
		}
	})
}

func checkError(t *testing.T, err error) {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) {
		t.Fatalf("foreign bytes gave %T: %v", err, err)
	}
}

// rebuild builds what was read and reads it again. A transform with an
// attribute that we do not know is never built.
func rebuild(t *testing.T, ps []Payload) {
	t.Helper()
	first, raw, err := MarshalPayloads(ps)
	if err != nil {
		if hasUnknownTransform(ps) {
			return
		}
		t.Fatalf("what was read cannot be built: %v", err)
	}
	again, err := ParsePayloads(first, raw)
	if err != nil {
		t.Fatalf("what was built cannot be read: %v", err)
	}
	// Comparing in detail is slow, and leads the fuzzer into cmp's own code.
	if reflect.DeepEqual(ps, again) {
		return
	}
	if d := diff(ps, again); d != "" {
		t.Fatalf("the meaning changed (-before +after):\n%s", d)
	}
}

func hasUnknownTransform(ps []Payload) bool {
	for _, p := range ps {
		sa, ok := p.(*SA)
		if !ok {
			continue
		}
		for _, proposal := range sa.Proposals {
			for _, tr := range proposal.Transforms {
				if tr.Unknown {
					return true
				}
			}
		}
	}
	return false
}
