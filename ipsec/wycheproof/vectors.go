package wycheproof

import (
	"bytes"
	"compress/gzip"
	"embed"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"testing"
)

//go:embed testdata/*.json.gz
var files embed.FS

// Bytes are written as hexadecimal digits.
type Bytes []byte

// UnmarshalText reads them.
func (b *Bytes) UnmarshalText(text []byte) (err error) {
	*b, err = hex.DecodeString(string(text))
	return err
}

// Test is one vector. Which fields it has depends on the primitive.
type Test struct {
	ID      int `json:"tcId"`
	Comment string
	Flags   []string
	// Result is valid, invalid, or acceptable: an implementation may refuse it.
	Result string

	// Authenticated encryption: the tag follows the ciphertext.
	Key, IV, AAD, Msg, CT, Tag Bytes
	// Key exchange.
	Public, Private, Shared Bytes
	// HKDF (RFC 5869); Size is the length of OKM in bytes.
	IKM, Salt, Info, OKM Bytes
	Size                 int
}

// Valid says whether the vector must work; otherwise it must be refused, unless
// Result says that both are right.
func (v Test) Valid() bool { return v.Result == "valid" }

func (v Test) String() string { return fmt.Sprintf("vector %d (%s)", v.ID, v.Comment) }

// Group are vectors with the same parameters; sizes are bits.
type Group struct {
	KeySize, IVSize, TagSize int
	Tests                    []Test
}

// Groups reads the vectors of one primitive, such as aes_gcm.
func Groups(t testing.TB, name string) []Group {
	t.Helper()
	packed, err := files.ReadFile("testdata/" + name + ".json.gz")
	if err != nil {
		t.Fatal(err)
	}
	r, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	var file struct{ TestGroups []Group }
	if err := json.NewDecoder(r).Decode(&file); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return file.TestGroups
}
