package esp

import (
	"bytes"
	"encoding/hex"
	"strings"
	"testing"

	"gatehouse/ipsec/planetest"
	"gatehouse/ipsec/sad"
)

// The vectors of RFC 4868 section 2.7.2 and, for HMAC-MD5-96 and HMAC-SHA1-96
// (RFC 2403 and 2404), those of RFC 2202 whose keys are as long as ours. Data that
// can be read as an ESP packet with NULL encryption, the first eight bytes being
// its SPI and sequence number, are one: its ICV is the vector.
func TestMACVectorsOfRFC4868AndRFC2202(t *testing.T) {
	counting := func(n int) []byte {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(i + 1)
		}
		return b
	}
	of := func(b byte, n int) []byte { return bytes.Repeat([]byte{b}, n) }
	hi, fifty, question, truncated := []byte("Hi There"), of(0xdd, 50), []byte("what do ya want for nothing?"), []byte("Test With Truncation")
	packets := 0
	for _, row := range []struct {
		name, mac string
		key, data []byte
		icv       string
	}{
		{"RFC 2202 MD5, case 1", "md5", of(0x0b, 16), hi, "9294727a3638bb1c13f48ef8"},
		{"RFC 2202 MD5, case 3", "md5", of(0xaa, 16), fifty, "56be34521d144c88dbb8c733"},
		{"RFC 2202 MD5, case 5", "md5", of(0x0c, 16), truncated, "56461ef2342edc00f9bab995"},
		{"RFC 2202 SHA1, case 1", "sha1", of(0x0b, 20), hi, "b617318655057264e28bc0b6"},
		{"RFC 2202 SHA1, case 3", "sha1", of(0xaa, 20), fifty, "125d7342b9ac11cd91a39af4"},
		{"RFC 2202 SHA1, case 5", "sha1", of(0x0c, 20), truncated, "4c1a03424b55e07fe7f27be1"},
		{"AUTH256-1", "sha256", of(0x0b, 32), hi, "198a607eb44bfbc69903a0f1cf2bbdc5"},
		{"AUTH256-2", "sha256", []byte(strings.Repeat("Jefe", 8)), question, "167f928588c5cc2eef8e3093caa0e87c"},
		{"AUTH256-3", "sha256", of(0xaa, 32), fifty, "cdcb1220d1ecccea91e53aba3092f962"},
		{"AUTH256-4", "sha256", counting(32), of(0xcd, 50), "372efcf9b40b35c2115b1346903d2ef4"},
		{"AUTH384-1", "sha384", of(0x0b, 48), hi, "b6a8d5636f5c6a7224f9977dcf7ee6c7fb6d0c48cbdee973"},
		{"AUTH384-2", "sha384", []byte(strings.Repeat("Jefe", 12)), question, "2c7353974f1842fd66d53c452ca42122b28c0b594cfb184d"},
		{"AUTH384-3", "sha384", of(0xaa, 48), fifty, "809f439be00274321d4a538652164b53554a508184a0c316"},
		{"AUTH384-4", "sha384", append(counting(32), counting(25)[9:]...), of(0xcd, 50), "5b540085c6e6358096532b2493609ed1cb298f774f87bb5c"},
		{"AUTH512-1", "sha512", of(0x0b, 64), hi, "637edc6e01dce7e6742a99451aae82df23da3e92439e590e43e761b33e910fb8"},
		{"AUTH512-2", "sha512", []byte(strings.Repeat("Jefe", 16)), question, "cb370917ae8a7ce28cfd1d8f4705d6141c173b2a9362c15df235dfb251b15454"},
		{"AUTH512-3", "sha512", of(0xaa, 64), fifty, "2ee7acd783624ca9398710f3ee05ae41b9f9b0510c87e49e586cc9bf961733d8"},
		{"AUTH512-4", "sha512", counting(64), of(0xcd, 50), "5e6688e5a3daec826ca32eaea224eff5e700628947470e13ad01302561bab108"},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := planetest.Suite(t, sad.ESP, "null-"+row.mac)
			m, err := newMAC(s.Integrity, row.key)
			if err != nil {
				t.Fatal(err)
			}
			if got := hex.EncodeToString(m.sum(row.data)); got != row.icv {
				t.Errorf("the ICV is %s", got)
			}
			if len(row.data) <= headerLen || len(row.data)%4 != 0 {
				return
			}
			packets++
			tr, err := newTransform(s, nil, row.key, false)
			if err != nil {
				t.Fatal(err)
			}
			packet := append(bytes.Clone(row.data), unhex(t, row.icv)...)
			if got, err := tr.open(bytes.Clone(packet), 0); err != nil || !bytes.Equal(got, row.data[headerLen:]) {
				t.Errorf("opened as %q, %v", got, err)
			}
			if got, err := tr.seal(append(bytes.Clone(row.data), make([]byte, 64)...), len(row.data), 0); err != nil || !bytes.Equal(got, packet) {
				t.Errorf("sealed as %x, %v", got, err)
			}
		})
	}
	if packets != 5 {
		t.Errorf("%d of the vectors are packets", packets)
	}
}
