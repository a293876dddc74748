package crypto

import (
	"bytes"
	"encoding/hex"
	"testing"
)

// unhex reads test vectors, which may be broken into lines.
func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func same(t testing.TB, what string, got, want []byte) {
	t.Helper()
	if !bytes.Equal(got, want) {
		t.Errorf("%s is\n%x, want\n%x", what, got, want)
	}
}

func ikeSuite(t testing.TB, name string) Suite {
	t.Helper()
	s, err := ParseIKESuite(name)
	if err != nil {
		t.Fatal(err)
	}
	return s
}
