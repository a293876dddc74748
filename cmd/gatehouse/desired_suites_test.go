package main

import (
	"testing"

	"gatehouse/ipsec/crypto"
	"gatehouse/store"
)

// What a document may name and what IKE and the data planes understand is said
// in two places, because neither may know the other.
func TestProposalsOfADocumentAreUnderstood(t *testing.T) {
	groups := []string{"", "-x25519", "-x448", "-ecp256", "-ecp384", "-ecp521", "-modp1024", "-modp1536", "-modp2048",
		"-modp3072", "-modp4096", "-modp6144", "-modp8192", "-modp768", "-x25519-ke1_mlkem768", "-ecp384-ke1_mlkem1024", "-mlkem768", "-x25519-ke1_x448"}
	prfs := []string{"", "-prfsha1", "-prfsha256", "-prfsha384", "-prfsha512", "-prfaesxcbc", "-prfaescmac", "-prfmd5"}
	integrities := []string{"", "-sha1", "-sha256", "-sha384", "-sha512", "-aesxcbc", "-aescmac", "-md5"}
	ciphers := []string{"aes256gcm12", "aes128gcm12", "aes256gcm8", "aes128gcm8"}
	for _, e := range crypto.Encryptions() {
		ciphers = append(ciphers, e.Name)
	}
	for _, c := range ciphers {
		for _, i := range integrities {
			for _, p := range prfs {
				for _, g := range groups {
					name := c + i + p + g
					_, err := crypto.ParseIKESuite(name)
					if fault := store.SuiteFault(name, true, store.AlgorithmsLegacy); (err == nil) != (fault == "") {
						t.Errorf("IKE %s: the document says %q, IKE %v", name, fault, err)
					}
					_, err = crypto.ParseESPSuite(name)
					if s, err := crypto.ParseESPSuite(name); err == nil && s.Legacy() && store.SuiteFault(name, false, "") == "" {
						t.Errorf("ESP %s can be broken, and need not be asked for", name)
					}
					if fault := store.SuiteFault(name, false, store.AlgorithmsLegacy); (err == nil) != (fault == "") {
						t.Errorf("ESP %s: the document says %q, the data plane %v", name, fault, err)
					}
				}
			}
		}
	}
}

// The profiles keep to what a branch with this choice may name.
func TestProfilesKeepTheirWord(t *testing.T) {
	for _, row := range []struct {
		name   string
		branch store.Branch
		want   crypto.Profile
	}{
		{"another Gatehouse", store.Branch{}, crypto.ForGatehouse},
		{"a partner", store.Branch{Partner: true}, crypto.ForPartner},
		{"a strict partner", store.Branch{Partner: true, Algorithms: store.AlgorithmsStrict}, crypto.Strict},
		{"an old device", store.Branch{Algorithms: store.AlgorithmsLegacy}, crypto.ForLegacy},
	} {
		got := profile(row.branch)
		if got != row.want {
			t.Errorf("%s: profile %d", row.name, got)
		}
		ike, esp := got.Suites()
		for _, s := range ike {
			if fault := store.SuiteFault(s.String(), true, row.branch.Algorithms); fault != "" {
				t.Errorf("%s: %s %s", row.name, s, fault)
			}
		}
		for _, s := range esp {
			if fault := store.SuiteFault(s.String(), false, row.branch.Algorithms); fault != "" {
				t.Errorf("%s: %s %s", row.name, s, fault)
			}
		}
	}
}
