package store

import (
	"fmt"
	"slices"
	"strings"
)

// Algorithms is how careful a branch is about what it offers and accepts.
type Algorithms string

// The choices; empty is what fits another Gatehouse or, for a partner, what is
// neither new nor old.
const (
	AlgorithmsStrict Algorithms = "strict"
	AlgorithmsLegacy Algorithms = "legacy"
)

// words are those that can stand at each place of a proposal.
type words struct {
	aeads, aeadsIKE, aeadsESP, ciphers, ciphersESP, integrities, integritiesIKE, integritiesESP, prfs, groups, additional []string
}

// suiteWords are what the name of a proposal is made of. Those of IKE only and of
// ESP only are apart.
var suiteWords = words{
	aeads:          []string{"aes256gcm16", "aes192gcm16", "aes128gcm16", "chacha20poly1305", "aes256ccm16", "aes128ccm16"},
	aeadsIKE:       []string{"aes256gcm12", "aes128gcm12", "aes256gcm8", "aes128gcm8"},
	aeadsESP:       []string{"aes256gmac", "aes128gmac"},
	ciphersESP:     []string{"null", "blowfish128", "cast128", "des"},
	ciphers:        []string{"aes256", "aes192", "aes128", "aes256ctr", "aes128ctr", "3des"},
	integrities:    []string{"sha256", "sha384", "sha512", "sha1"},
	integritiesIKE: []string{"aesxcbc", "aescmac"},
	integritiesESP: []string{"md5"},
	prfs:           []string{"prfsha256", "prfsha384", "prfsha512", "prfaesxcbc", "prfaescmac", "prfsha1"},
	groups: []string{"x25519", "x448", "ecp256", "ecp384", "ecp521",
		"modp2048", "modp3072", "modp4096", "modp6144", "modp8192", "modp1536", "modp1024"},
	additional: []string{"ke1_mlkem768", "ke1_mlkem1024"},
}

// legacyWords must be asked for (RFC 8247, RFC 8221); strictWords are all that a strict
// branch may name.
var (
	legacyWords = []string{"3des", "blowfish128", "cast128", "des", "md5", "sha1", "prfsha1", "modp1536", "modp1024"}
	strictWords = []string{"aes256gcm16", "prfsha384", "prfsha512", "ecp384", "ecp521", "ke1_mlkem1024"}
)

// of are those of IKE or of ESP.
func (w words) of(ike bool) (aeads, ciphers, integrities []string) {
	if ike {
		return slices.Concat(w.aeads, w.aeadsIKE), w.ciphers, slices.Concat(w.integrities, w.integritiesIKE)
	}
	return slices.Concat(w.aeads, w.aeadsESP), slices.Concat(w.ciphers, w.ciphersESP), slices.Concat(w.integrities, w.integritiesESP)
}

// readSuite takes a proposal apart. It gives its words, or says what is wrong.
func readSuite(name string, ike bool) (words []string, fault string) {
	w := suiteWords
	aeads, ciphers, integrities := w.of(ike)
	words = strings.Split(name, "-")
	rest := words[1:]
	next := func(all []string) bool {
		if len(rest) == 0 || !slices.Contains(all, rest[0]) {
			return false
		}
		rest = rest[1:]
		return true
	}
	switch {
	case slices.Contains(aeads, words[0]):
	case !slices.Contains(ciphers, words[0]):
		return nil, fmt.Sprintf("%q is not known; a proposal begins with a cipher such as aes256gcm16", words[0])
	case !next(integrities):
		return nil, words[0] + " does not protect against changes by itself: add an integrity such as -sha256"
	}
	if ike {
		next(w.prfs)
	}
	if !next(w.groups) && ike {
		return nil, "names no key exchange group, such as -x25519"
	}
	if ike {
		next(w.additional)
	}
	if len(rest) > 0 {
		return nil, fmt.Sprintf("%q is not known there", rest[0])
	}
	return words, ""
}

// AHSuiteFault is SuiteFault for a child that is only authenticated.
func AHSuiteFault(name string, a Algorithms) string {
	words := strings.Split(name, "-")
	if !slices.Contains(suiteWords.integrities, words[0]) {
		return fmt.Sprintf("%q is not known; a proposal of AH is an integrity such as sha256", words[0])
	}
	if rest := words[1:]; len(rest) > 1 || len(rest) == 1 && !slices.Contains(suiteWords.groups, rest[0]) {
		return fmt.Sprintf("%q is not known there; only a key exchange group may follow", rest[0])
	}
	return carefulFault(words, a)
}

// ahPattern is the form of proposals of AH for the schema.
func ahPattern() string {
	return "^(" + strings.Join(suiteWords.integrities, "|") + ")(-(" + strings.Join(suiteWords.groups, "|") + "))?$"
}

// SuiteFault says what is wrong with a branch's proposal; empty if nothing is.
func SuiteFault(name string, ike bool, a Algorithms) string {
	words, fault := readSuite(name, ike)
	if fault == "" {
		fault = carefulFault(words, a)
	}
	if fault == "" && a == AlgorithmsStrict && ike && !slices.ContainsFunc(words, func(w string) bool { return strings.HasPrefix(w, "prf") }) {
		return "strict algorithms need -prfsha384 or -prfsha512 in front of the group"
	}
	if fault == "" && a == AlgorithmsStrict && ike && !slices.Contains(words, "ke1_mlkem1024") {
		return "strict algorithms need -ke1_mlkem1024 at the end"
	}
	return fault
}

// carefulFault says which word of a proposal a branch is too careful for.
func carefulFault(words []string, a Algorithms) string {
	for _, word := range words {
		switch {
		case a == AlgorithmsStrict && !slices.Contains(strictWords, word):
			return word + " is not strict: choose other algorithms for this branch, or take it out"
		case a != AlgorithmsLegacy && slices.Contains(legacyWords, word):
			return word + " can be broken, or soon will be: if the other side has nothing better, choose the legacy algorithms for this branch"
		}
	}
	return ""
}

// suitePattern is the form of proposals for the schema.
func suitePattern(ike bool) string {
	w := suiteWords
	any := func(lists ...[]string) string { return "(" + strings.Join(slices.Concat(lists...), "|") + ")" }
	aeads, ciphers, integrities := w.of(ike)
	begin := "^(" + any(aeads) + "|" + any(ciphers) + "-" + any(integrities) + ")"
	if ike {
		return begin + "(-" + any(w.prfs) + ")?-" + any(w.groups) + "(-" + any(w.additional) + ")?$"
	}
	return begin + "(-" + any(w.groups) + ")?$"
}

// Danger says what of a branch should be otherwise; empty if nothing should.
func (b Branch) Danger() string {
	if b.Algorithms != AlgorithmsLegacy {
		return ""
	}
	return "Its algorithms can be broken"
}
