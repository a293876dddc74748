package crypto

import (
	"crypto/hkdf"
	"crypto/sha256"
	"testing"
)

// NIST's IKEv2 KDF sample (SP 800-135 validation, with HMAC-SHA2-256), as the
// self tests of other implementations publish it too.
const (
	kdfNi     = "3651fef5c9c35e93"
	kdfNr     = "c09a8b90a3f04d59"
	kdfSPIi   = 0x8e5c3ae507221684
	kdfSPIr   = 0xb1f201bb155c3acd
	kdfShared = "d084a30166a50fb7325c3960874a839449ef9741c2f4f947d0201dd8c1269273" +
		"d79509f37e3ca3eb4fa2fe2a28254e289cd3f34dad4eb4df1a07685a4b8a94fa" +
		"61e2491f7598b3ce65547ff133b3f63d1ac4175eaa695033f3cedb026a6873a3" +
		"6455172a8540b8a5d23a0143bed0390ee49b168269d75fffee9fb62be965993c"
	kdfSharedNew = "52f00ab174c25d5b7139ae5ff4e8e9eddee5992d2e36adf8a559ffd90dab1442" +
		"e4fbe429d320c0f33552a17d1557fa41ea70e8fb916c4fa27ed52b5f8ebd8461" +
		"afa78f1159159a64055ac5f6319e29c28eae58cbc6847770f32c3fed1d047504" +
		"84f854790f95e9ec01bc5bc461f24966462e359511329305038e94deb6dd42c2"
	kdfSKEYSEED = "efaa7ab0eaa85a3d0be2100cd4b6fe00ff5025a9eafddb3ef518e9f0d3fe60e6"
	kdfRekeyed  = "90722c42bd849e9b72d240fc254174270fa8295de6f0338dafc303a9ec104f12"
	kdfSKd      = "462b9dd525d4fd71169174272779e704baf62c6231779ae9efe8c58b21916b42"
	kdfAfterSKd = "010164af2111ebd762f6916ca9a6f0ee05c8b320e4ee27705521de2589adea18" + // SK_ai
		"78f1a551738af7c88dc4f0bb0c096a3f7d1f1a670fc79f49f678d60d665bb371" + // SK_ar
		"0c8657f03ba9f62b9a818d7a228968c506e237ae9502aa6db395c61ea6a3e795" // SK_ei, with AES-256
	kdfChild = "23647677e7d403fa1e3006f19840aee18ad9fecc4215814c4131bdeba98433d8" +
		"b0e31bfbbddf822abcce5e06486aa388022b75e27e1e68aa5983028b65282c73" +
		"0c5d49ef7606770376cfdec41f7cc435d816029989bc353d3b67b9fd1168ddcb" +
		"8978850da9b752aee6a30d0086d2c4d74ec0e03648a0dad334faf5fe88084e67"
	kdfChildDH = "6a919387a5fa2835fe8a8237e4a14845bd2b9930db87eff7adf268f621860049" +
		"02dba9aa942d0259a0edc4120b932a503865b57ba8fb88117ef5df7b26799cd8" +
		"ba37aa5438108cb1a4fe117907c9d0597b708c3f11151fefd624d2317202b7c8" +
		"1430600e6fcbb6e1a8df2b4861ef2363d53de1be69057b0cf6634a7e7bfa97b3"
)

func TestIKEKeysOfThePublishedSample(t *testing.T) {
	ni, nr := unhex(t, kdfNi), unhex(t, kdfNr)
	k, err := DeriveIKE(ikeSuite(t, "aes256-sha256-modp2048"), unhex(t, kdfShared), ni, nr, kdfSPIi, kdfSPIr)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "SK_d", k.D, unhex(t, kdfSKd))
	after := cutter(unhex(t, kdfAfterSKd))
	same(t, "SK_ai", k.Ai, after(32))
	same(t, "SK_ar", k.Ar, after(32))
	same(t, "SK_ei", k.Ei, after(32))
}

func TestChildKeysOfThePublishedSample(t *testing.T) {
	rows := []struct {
		name, shared, want string
	}{
		{"without a key exchange of its own", "", kdfChild},
		{"with perfect forward secrecy", kdfSharedNew, kdfChildDH},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			child := Suite{Encryption: EncrAESCBC, KeyBits: 256, Integrity: IntegrityHMACSHA256128}
			k, err := DeriveChild(PRFHMACSHA256, unhex(t, kdfSKd), child, unhex(t, row.shared), unhex(t, kdfNi), unhex(t, kdfNr))
			if err != nil {
				t.Fatal(err)
			}
			// The initiator's direction first, encryption before integrity
			// (RFC 7296 section 2.17).
			want := cutter(unhex(t, row.want))
			same(t, "the initiator's encryption key", k.Ei, want(32))
			same(t, "the initiator's integrity key", k.Ai, want(32))
			same(t, "the responder's encryption key", k.Er, want(32))
			same(t, "the responder's integrity key", k.Ar, want(32))
		})
	}
}

// The whole of the order of section 2.14, from SKEYSEED on, computed by the
// standard library's HKDF.
func TestIKEKeysAreCutInTheOrderOfTheRFC(t *testing.T) {
	nonces := kdfNi + kdfNr
	spis := "8e5c3ae507221684" + "b1f201bb155c3acd"
	for _, row := range []struct {
		suite      string
		enc, integ int
	}{
		{"aes256gcm16-x25519", 36, 0},
		{"aes128gcm16-ecp256", 20, 0},
		{"aes256-sha256-modp2048", 32, 32},
		{"aes128-sha256-x25519", 16, 32},
	} {
		s := ikeSuite(t, row.suite)
		for _, rekey := range []bool{false, true} {
			name, skeyseed := row.suite, kdfSKEYSEED
			derive := func() (IKEKeys, error) {
				return DeriveIKE(s, unhex(t, kdfShared), unhex(t, kdfNi), unhex(t, kdfNr), kdfSPIi, kdfSPIr)
			}
			if rekey {
				name, skeyseed = row.suite+" as a rekey", kdfRekeyed
				derive = func() (IKEKeys, error) {
					return DeriveIKERekey(PRFHMACSHA256, unhex(t, kdfSKd), s, unhex(t, kdfSharedNew),
						unhex(t, kdfNi), unhex(t, kdfNr), kdfSPIi, kdfSPIr)
				}
			}
			t.Run(name, func(t *testing.T) {
				k, err := derive()
				if err != nil {
					t.Fatal(err)
				}
				all, err := hkdf.Expand(sha256.New, unhex(t, skeyseed), string(unhex(t, nonces+spis)), 3*32+2*row.enc+2*row.integ)
				if err != nil {
					t.Fatal(err)
				}
				want := cutter(all)
				same(t, "SK_d", k.D, want(32))
				same(t, "SK_ai", k.Ai, want(row.integ))
				same(t, "SK_ar", k.Ar, want(row.integ))
				same(t, "SK_ei", k.Ei, want(row.enc))
				same(t, "SK_er", k.Er, want(row.enc))
				same(t, "SK_pi", k.Pi, want(32))
				same(t, "SK_pr", k.Pr, want(32))
			})
		}
	}
}

func TestKeysOfASuiteThatWeCannotUseAreRefused(t *testing.T) {
	null := Suite{Encryption: EncrNull, Integrity: IntegrityHMACSHA256128, PRF: PRFHMACSHA256}
	noPRF := Suite{Encryption: EncrAESGCM16, KeyBits: 256}
	for _, s := range []Suite{null, noPRF} {
		if _, err := DeriveIKE(s, []byte("shared"), []byte("ni"), []byte("nr"), 1, 2); err == nil {
			t.Errorf("%s: made IKE keys", s)
		}
		if _, err := DeriveIKERekey(PRFHMACSHA256, []byte("d"), s, []byte("shared"), []byte("ni"), []byte("nr"), 1, 2); err == nil {
			t.Errorf("%s: made IKE keys", s)
		}
	}
	bare := Suite{Encryption: EncrNull}
	if _, err := DeriveChild(PRFHMACSHA256, []byte("d"), bare, nil, []byte("ni"), []byte("nr")); err == nil {
		t.Error("made child keys without integrity")
	}
}

// AUTH of a shared key (RFC 7296 section 2.15), written out.
func TestPSKAuth(t *testing.T) {
	message, nonce, skp, id := []byte("the first message"), []byte("the other's nonce"), []byte("SK_p"), []byte{2, 0, 0, 0, 'a'}
	octets := SignedOctets(PRFHMACSHA256, message, nonce, skp, id)
	idMAC := PRFHMACSHA256.Sum(skp, id)
	same(t, "the signed octets", octets, []byte("the first message"+"the other's nonce"+string(idMAC)))
	pad := PRFHMACSHA256.Sum([]byte("secret"), []byte("Key Pad for IKEv2"))
	same(t, "AUTH", PSKAuth(PRFHMACSHA256, []byte("secret"), octets), PRFHMACSHA256.Sum(pad, octets))
	same(t, "the first message afterwards", message, []byte("the first message"))
}
