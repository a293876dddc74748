package wire

import "testing"

func TestCert(t *testing.T) {
	golden(t, &Cert{Encoding: 4, Data: []byte{0x30, 0x82}}, "04 3082")
	golden(t, &CertRequest{Encoding: 4, Authorities: []byte{1, 2}}, "04 0102")
	golden(t, &CertRequest{Encoding: 4}, "04")
}

func TestCertThatIsRefused(t *testing.T) {
	rows := map[string]string{"no encoding": ""}
	refused(t, TypeCert, rows)
	refused(t, TypeCertReq, rows)
}

func FuzzCert(f *testing.F) { fuzzBody(f, []PayloadType{TypeCert, TypeCertReq}, "", "04 3082") }
