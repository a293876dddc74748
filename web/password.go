package web

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base32"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strings"

	"golang.org/x/crypto/argon2"
)

// argon2id with the second recommended option of RFC 9106 section 4, one lane:
// 64 MiB is what a Raspberry Pi can spare, and logins run one at a time.
const (
	argonTime    = 3
	argonMemory  = 64 << 10 // KiB
	argonThreads = 1
	saltLen      = 16
	hashLen      = 32
	// minPassword and maxPassword in bytes.
	minPassword = 12
	maxPassword = 256
)

// HashPassword makes an argon2id hash in PHC form.
func HashPassword(password string) (string, error) {
	salt := make([]byte, saltLen)
	if _, err := rand.Read(salt); err != nil {
		return "", err
	}
	sum := argon2.IDKey([]byte(password), salt, argonTime, argonMemory, argonThreads, hashLen)
	enc := base64.RawStdEncoding.EncodeToString
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, argonMemory, argonTime, argonThreads,
		enc(salt), enc(sum)), nil
}

var errHash = errors.New("the stored password hash is damaged")

// verifyPassword compares in constant time. Parameters of the stored hash are
// bounded, although only we write them.
func verifyPassword(hash, password string) (bool, error) {
	parts := strings.Split(hash, "$")
	if len(parts) != 6 || parts[0] != "" || parts[1] != "argon2id" {
		return false, errHash
	}
	var version, memory, time, threads uint32
	if n, err := fmt.Sscanf(parts[2]+" "+parts[3], "v=%d m=%d,t=%d,p=%d", &version, &memory, &time, &threads); n != 4 || err != nil {
		return false, errHash
	}
	salt, err1 := base64.RawStdEncoding.DecodeString(parts[4])
	want, err2 := base64.RawStdEncoding.DecodeString(parts[5])
	if err1 != nil || err2 != nil || version != argon2.Version || len(want) < 16 || len(want) > 64 ||
		memory > 1<<20 || time == 0 || time > 16 || threads == 0 || threads > 16 {
		return false, errHash
	}
	got := argon2.IDKey([]byte(password), salt, time, memory, uint8(threads), uint32(len(want)))
	return subtle.ConstantTimeCompare(got, want) == 1, nil
}

// oneTimeBytes gives 80 bits: nobody guesses that through the rate limit.
const oneTimeBytes = 10

// NewOneTimePassword is a password to type off a screen: four groups of four
// letters and digits.
func NewOneTimePassword(random io.Reader) (string, error) {
	b := make([]byte, oneTimeBytes)
	if _, err := io.ReadFull(random, b); err != nil {
		return "", fmt.Errorf("random source: %w", err)
	}
	text := strings.ToLower(base32.StdEncoding.EncodeToString(b))
	return strings.Join([]string{text[:4], text[4:8], text[8:12], text[12:16]}, "-"), nil
}
