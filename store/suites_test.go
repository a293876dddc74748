package store

import (
	"regexp"
	"strings"
	"testing"
)

func TestProposalsOfBranches(t *testing.T) {
	for _, row := range []struct {
		name, proposal string
		ike            bool
		a              Algorithms
		fault          string // a part of it; empty: none
	}{
		{"an AEAD with a group", "aes256gcm16-x25519", true, "", ""},
		{"another PRF", "aes256gcm16-prfsha384-ecp384", true, "", ""},
		{"a cipher with its integrity", "aes256-sha256-modp2048", true, "", ""},
		{"ESP without perfect forward secrecy", "aes256gcm16", false, "", ""},
		{"ESP with it", "aes256-sha512-ecp521", false, "", ""},
		{"IKE without a group", "aes256gcm16", true, "", "names no key exchange group"},
		{"a cipher without integrity", "aes256-x25519", true, "", "add an integrity"},
		{"a cipher that nobody knows", "rot13-x25519", true, "", `"rot13" is not known`},
		{"too much", "aes256gcm16-x25519-x25519", true, "", "not known there"},
		{"a PRF of ESP", "aes256gcm16-prfsha384", false, "", "not known there"},
		{"a short ICV in ESP", "aes256gcm8", false, "", "is not known"},
		{"SHA-1 unasked", "aes256-sha1-modp2048", true, "", "choose the legacy algorithms"},
		{"SHA-1 asked for", "aes256-sha1-modp1024", true, AlgorithmsLegacy, ""},
		{"3DES for ESP", "3des-sha1", false, AlgorithmsLegacy, ""},
		{"DES and MD5 unasked", "des-md5", false, "", "des can be broken"},
		{"DES and MD5 asked for", "des-md5", false, AlgorithmsLegacy, ""},
		{"Blowfish in IKE", "blowfish128-sha1-modp2048", true, AlgorithmsLegacy, "is not known"},
		{"MD5 in IKE", "aes128-md5-modp2048", true, AlgorithmsLegacy, "add an integrity"},
		{"no encryption at all", "null-sha256", false, "", ""},
		{"AES-GMAC", "aes256gmac-x25519", false, "", ""},
		{"a strict one", "aes256gcm16-prfsha384-ecp384-ke1_mlkem1024", true, AlgorithmsStrict, ""},
		{"a strict one with the hash of the others", "aes256gcm16-ecp384-ke1_mlkem1024", true, AlgorithmsStrict, "prfsha384"},
		{"a strict one that a quantum computer will open", "aes256gcm16-prfsha384-ecp384", true, AlgorithmsStrict, "ke1_mlkem1024"},
		{"a hybrid", "aes256gcm16-x25519-ke1_mlkem768", true, "", ""},
		{"a key encapsulation alone", "aes256gcm16-mlkem768", true, "", "names no key exchange group"},
		{"a key encapsulation for ESP", "aes256gcm16-x25519-ke1_mlkem768", false, "", "not known there"},
		{"a strict one with another curve", "aes256gcm16-prfsha384-x25519", true, AlgorithmsStrict, "is not strict"},
		{"nothing", "", true, "", "is not known"},
	} {
		t.Run(row.name, func(t *testing.T) {
			got := SuiteFault(row.proposal, row.ike, row.a)
			if (got == "") != (row.fault == "") || !strings.Contains(got, row.fault) {
				t.Errorf("got %q, want %q", got, row.fault)
			}
			_, malformed := readSuite(row.proposal, row.ike)
			if fits := regexp.MustCompile(suitePattern(row.ike)).MatchString(row.proposal); fits != (malformed == "") {
				t.Errorf("the schema's pattern says %v", fits)
			}
		})
	}
}
