package wire

import (
	"strings"
	"testing"
)

func TestNonce(t *testing.T) {
	for _, n := range []int{16, 32, 256} {
		golden(t, &Nonce{Data: unhex(t, strings.Repeat("a5", n))}, strings.Repeat("a5", n))
	}
}

func TestNonceThatIsRefused(t *testing.T) {
	refused(t, TypeNonce, map[string]string{
		"nothing":                     "",
		"a byte short of 16":          strings.Repeat("a5", 15),
		"a byte more than 256":        strings.Repeat("a5", 257),
		"as long as a message may be": strings.Repeat("a5", 65000),
	})
}

func FuzzNonce(f *testing.F) { fuzzBody(f, []PayloadType{TypeNonce}, "", strings.Repeat("a5", 16)) }
