package store

import "strings"

// keyed is an algorithm that keys can be given to by hand.
type keyed struct {
	name string
	// key is its length in bytes.
	key int
	// legacy ones must be asked for (RFC 8221 5 and 6).
	legacy bool
}

// What an SA keyed by hand can be made of, the best first. The names without
// their "-cbc" and "hmac-" are those of ipsec/crypto, and so are the lengths.
var (
	handEncryptions = []keyed{
		{"aes256-cbc", 32, false}, {"aes192-cbc", 24, false}, {"aes128-cbc", 16, false}, {"null", 0, false},
		{"3des-cbc", 24, true}, {"blowfish128-cbc", 16, true}, {"cast128-cbc", 16, true}, {"des-cbc", 8, true},
	}
	handIntegrities = []keyed{
		{"hmac-sha256", 32, false}, {"hmac-sha384", 48, false}, {"hmac-sha512", 64, false}, {"hmac-sha1", 20, false}, {"hmac-md5", 16, true},
	}
)

func namesOf(all []keyed) (names []string) {
	for _, k := range all {
		names = append(names, k.name)
	}
	return names
}

func algorithm(all []keyed, name string) (keyed, bool) {
	for _, k := range all {
		if k.name == name {
			return k, true
		}
	}
	return keyed{}, false
}

// notByHand says why an algorithm cannot be keyed by hand; empty for one that
// is not known at all.
func notByHand(name string) string {
	for _, part := range []string{"gcm", "ccm", "ctr", "gmac", "chacha20"} {
		if strings.Contains(strings.ToLower(name), part) {
			return name + " cannot be keyed by hand: after a restart it would use a nonce twice under one key, " +
				"which gives away what was sent (RFC 8221 section 4); take aes256-cbc with hmac-sha256"
		}
	}
	return ""
}

// AlgorithmsByHand are the names that Encryption and Integrity of a ManualSA can
// have, and the length of their keys in bytes.
func AlgorithmsByHand() (encryption, integrity map[string]int) {
	lengths := func(all []keyed) map[string]int {
		out := map[string]int{}
		for _, k := range all {
			out[k.name] = k.key
		}
		return out
	}
	return lengths(handEncryptions), lengths(handIntegrities)
}
