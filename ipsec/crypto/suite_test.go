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
			if !got.ForIKE() {
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
		"aes512-sha256":                 "a key length that there is not",
		"aes256-aes256gmac":             "the GMAC of AH in ESP",
		"aes256gcm16-":                  "an empty part",
		"AES256GCM16":                   "capitals",
		"aes256-sha256-sha256-modp2048": "integrity twice",
		"aes256gcm16-modp768":           "a group that is too weak",
		"aes256gcm16-x25519-prfsha384":  "the PRF behind the group",
		"null":                          "neither encryption nor integrity",
		"aes256-sha256-":                "an empty part at the end",
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
	for _, profile := range []Profile{ForGatehouse, ForPartner, Strict, ForLegacy} {
		ike, esp := profile.Suites()
		for _, s := range ike {
			if got, err := ParseIKESuite(s.String()); err != nil || got != s || !s.ForIKE() {
				t.Errorf("%s: got %+v, %v", s, got, err)
			}
			if !s.Group.Known() || s.LegacyIKE() && profile != ForLegacy {
				t.Errorf("profile %d offers %s", profile, s)
			}
		}
		for _, s := range esp {
			if got, err := ParseESPSuite(s.String()); err != nil || got != s || !s.ForESP() {
				t.Errorf("%s: got %+v, %v", s, got, err)
			}
		}
	}
	if !slices.ContainsFunc(DefaultIKESuites(), func(s Suite) bool { return s.Group == GroupMODP2048 }) {
		t.Error("nothing for peers that only know what RFC 8247 makes a MUST")
	}
}

// The PRF is that of the integrity's hash unless a name says otherwise.
func TestThePRFOfASuite(t *testing.T) {
	for name, want := range map[string]PRFID{
		"aes256gcm16-x25519":             PRFHMACSHA256,
		"aes256gcm16-prfsha384-ecp384":   PRFHMACSHA384,
		"aes128gcm8-prfsha512-modp8192":  PRFHMACSHA512,
		"aes256-sha256-modp3072":         PRFHMACSHA256,
		"aes256-sha384-ecp521":           PRFHMACSHA384,
		"aes256-sha512-x448":             PRFHMACSHA512,
		"aes128-aesxcbc-modp2048":        PRFAESXCBC,
		"aes128-aescmac-modp4096":        PRFAESCMAC,
		"aes128-sha1-modp1536":           PRFHMACSHA1,
		"3des-sha1-modp1024":             PRFHMACSHA1,
		"aes128-sha1-prfsha256-modp2048": PRFHMACSHA256,
	} {
		s, err := ParseIKESuite(name)
		if err != nil || s.PRF != want || s.String() != name {
			t.Errorf("%s: %+v, %v, called %s", name, s, err, s)
		}
		if _, err := ParseESPSuite(name); strings.Contains(name, "prf") && err == nil {
			t.Errorf("%s: accepted for ESP, which has no PRF", name)
		}
	}
	if s, err := ParseIKESuite("aes256gcm16-prfsha256-x25519"); err != nil || s.String() != "aes256gcm16-x25519" {
		t.Errorf("a PRF that goes without saying: %s, %v", s, err)
	}
	for _, name := range []string{"aes128gcm8", "aes256gcm12", "aes128-aesxcbc", "aes128-aescmac"} {
		if s, err := ParseESPSuite(name); err == nil {
			t.Errorf("%s: no data plane has it, and it is %+v", name, s)
		}
	}
}

// Every transform can be named, alone and with a group, and says what it is for.
func TestEverySuiteOfTheDataPlanesHasAName(t *testing.T) {
	for _, e := range Encryptions() {
		for _, i := range append(Integrities(), Integrity{}) {
			name := e.Name
			if i.Name != "" {
				name += "-" + i.Name
			}
			s, err := ParseESPSuite(name)
			if whole := e.AEAD == (i.ID == IntegrityNone) && !i.AH; whole != (err == nil) {
				t.Errorf("%s: %+v, %v", name, s, err)
			} else if !whole {
				continue
			}
			enc, integ := ChildKeySizes(s)
			if s.String() != name || !s.ForESP() || s.ForAH() || enc != e.Key || integ != i.Key || s.Legacy() != (e.Legacy || i.Legacy) {
				t.Errorf("%s: %+v with keys of %d and %d bytes", name, s, enc, integ)
			}
			if err := s.ForManualKeys(); (err != nil) != e.Counter {
				t.Errorf("%s by hand: %v", name, err)
			}
			if got, err := ParseESPSuite(name + "-x25519"); err != nil || got.Group != GroupX25519 {
				t.Errorf("%s with a group: %+v, %v", name, got, err)
			}
			if _, err := ParseIKESuite(name + "-x25519"); (err == nil) != s.ForIKE() {
				t.Errorf("%s for IKE: %v", name, err)
			}
		}
	}
	for _, i := range Integrities() {
		s, err := ParseAHSuite(i.Name)
		if _, integ := ChildKeySizes(s); err != nil || s.String() != i.Name || !s.ForAH() || s.ForESP() || integ != i.Key {
			t.Errorf("AH with %s: %+v, %v", i.Name, s, err)
		}
	}
	for _, name := range []string{"", "none", "aes256-sha256", "sha256-", "sha256-none"} {
		if s, err := ParseAHSuite(name); err == nil {
			t.Errorf("AH with %q: %+v", name, s)
		}
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
		if s.String() != name || !s.ForESP() {
			t.Fatalf("%q is %+v", name, s)
		}
	})
}
