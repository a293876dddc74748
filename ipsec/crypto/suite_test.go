package crypto

import (
	"slices"
	"strings"
	"testing"
)

func TestSuiteNames(t *testing.T) {
	gcm := func(bits int, g GroupID) Suite { return Suite{Encryption: EncrAESGCM16, KeyBits: bits, Group: g} }
	cbc := func(bits int, g GroupID) Suite {
		return Suite{Encryption: EncrAESCBC, KeyBits: bits, Integrity: IntegrityHMACSHA256128, Group: g}
	}
	for name, want := range map[string]Suite{
		"aes256gcm16-x25519":     gcm(256, GroupX25519),
		"aes128gcm16-ecp256":     gcm(128, GroupECP256),
		"aes256-sha256-modp2048": cbc(256, GroupMODP2048),
		"aes128-sha256-x25519":   cbc(128, GroupX25519),
		"aes256gcm16":            gcm(256, GroupNone),
		"aes128gcm16":            gcm(128, GroupNone),
		"aes256-sha256":          cbc(256, GroupNone),
		"aes128-sha256":          cbc(128, GroupNone),
	} {
		t.Run(name, func(t *testing.T) {
			got, err := ParseESPSuite(name)
			if err != nil || got != want {
				t.Errorf("as ESP: got %+v, %v", got, err)
			}
			if got.String() != name {
				t.Errorf("it is called %q again", got)
			}
			if !got.Supported() {
				t.Error("it is not supported")
			}
			want.PRF = PRFHMACSHA256
			got, err = ParseIKESuite(name)
			if want.Group == GroupNone {
				if err == nil {
					t.Error("as IKE: accepted without a group")
				}
				return
			}
			if err != nil || got != want || got.String() != name {
				t.Errorf("as IKE: got %+v, %v", got, err)
			}
		})
	}
}

func TestSuiteNamesThatAreRefused(t *testing.T) {
	for name, reason := range map[string]string{
		"":                              "nothing",
		"aes256":                        "encryption without integrity",
		"aes256-x25519":                 "encryption without integrity, before a group",
		"aes256gcm16-sha256":            "integrity twice",
		"aes256gcm16-x25519-ecp256":     "two groups",
		"aes256gcm16-none":              "the absence of a group by name",
		"x25519":                        "a group alone",
		"sha256":                        "integrity alone",
		"aes256-x25519-sha256":          "the wrong order",
		"aes192-sha256":                 "a key length that is not offered",
		"aes256gcm16-":                  "an empty part",
		"AES256GCM16":                   "capitals",
		"aes256-sha256-sha256-modp2048": "integrity twice",
		"aes256gcm16-modp1024":          "a group that is too weak",
		"null-sha256":                   "no encryption",
	} {
		t.Run(reason, func(t *testing.T) {
			for _, parse := range []func(string) (Suite, error){ParseESPSuite, ParseIKESuite} {
				if s, err := parse(name); err == nil || !strings.Contains(err.Error(), name) {
					t.Errorf("%q gives %+v, %v", name, s, err)
				}
			}
		})
	}
}

func TestDefaultSuitesAreSupportedAndHaveNames(t *testing.T) {
	for _, s := range DefaultIKESuites() {
		if got, err := ParseIKESuite(s.String()); err != nil || got != s || !s.Supported() {
			t.Errorf("%s: got %+v, %v", s, got, err)
		}
	}
	for _, s := range DefaultESPSuites() {
		if got, err := ParseESPSuite(s.String()); err != nil || got != s || !s.Supported() {
			t.Errorf("%s: got %+v, %v", s, got, err)
		}
	}
	if !slices.ContainsFunc(DefaultIKESuites(), func(s Suite) bool { return s.Group == GroupMODP2048 }) {
		t.Error("nothing for peers that only know what RFC 8247 makes a MUST")
	}
}

func TestTransformsAreNamed(t *testing.T) {
	for want, got := range map[string]string{
		"AES-GCM-16":              EncrAESGCM16.String(),
		"AES-CBC":                 EncrAESCBC.String(),
		"NULL":                    EncrNull.String(),
		"encryption transform 99": EncryptionID(99).String(),
		"PRF-HMAC-SHA2-256":       PRFHMACSHA256.String(),
		"PRF transform 99":        PRFID(99).String(),
		"HMAC-SHA2-256-128":       IntegrityHMACSHA256128.String(),
		"none":                    IntegrityNone.String(),
		"integrity transform 99":  IntegrityID(99).String(),
		"x25519":                  GroupX25519.String(),
		"group 99":                GroupID(99).String(),
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	odd := Suite{Encryption: 99, Integrity: 98, Group: 97}
	if got := odd.String(); got != "encryption transform 99-integrity transform 98-group 97" {
		t.Errorf("a suite of unknowns is %q", got)
	}
}

// FuzzParseSuite: what is understood has a name that means the same.
func FuzzParseSuite(f *testing.F) {
	for _, s := range append(DefaultIKESuites(), DefaultESPSuites()...) {
		f.Add(s.String())
	}
	f.Add("aes256-")
	f.Fuzz(func(t *testing.T, name string) {
		s, err := ParseESPSuite(name)
		if err != nil {
			return
		}
		if s.String() != name || !s.Supported() {
			t.Fatalf("%q is %+v", name, s)
		}
	})
}
