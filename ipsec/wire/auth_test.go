package wire

import "testing"

func TestAuth(t *testing.T) {
	golden(t, &Auth{Method: AuthSharedKey, Data: []byte{0xaa, 0xbb}}, "02 000000 aabb")
	golden(t, &Auth{Method: 14}, "0e 000000")
}

func TestAuthThatIsRefused(t *testing.T) {
	refused(t, TypeAuth, map[string]string{"nothing": "", "a method alone": "02", "reserved bytes are cut off": "02 0000"})
}

func FuzzAuth(f *testing.F) { fuzzBody(f, []PayloadType{TypeAuth}, "", "02 000000 aabb") }
