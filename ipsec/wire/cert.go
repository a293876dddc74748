package wire

import "golang.org/x/crypto/cryptobyte"

// CertX509 is the encoding of a certificate as DER (RFC 7296 section 3.6); the
// others are not for us.
const CertX509 uint8 = 4

// Cert is a CERT payload (RFC 7296 section 3.6).
type Cert struct {
	Encoding uint8
	Data     []byte
}

// Type is CERT.
func (*Cert) Type() PayloadType { return TypeCert }

func (p *Cert) appendBody(b *cryptobyte.Builder) {
	b.AddUint8(p.Encoding)
	b.AddBytes(p.Data)
}

func parseCert(s cryptobyte.String) (Payload, error) {
	p := &Cert{}
	if !s.ReadUint8(&p.Encoding) {
		return nil, malformed(TypeCert, "cut off")
	}
	p.Data = s
	return p, nil
}

// CertRequest is a CERTREQ payload (RFC 7296 section 3.7).
type CertRequest struct {
	Encoding    uint8
	Authorities []byte
}

// Type is CERTREQ.
func (*CertRequest) Type() PayloadType { return TypeCertReq }

func (p *CertRequest) appendBody(b *cryptobyte.Builder) {
	b.AddUint8(p.Encoding)
	b.AddBytes(p.Authorities)
}

func parseCertReq(s cryptobyte.String) (Payload, error) {
	p := &CertRequest{}
	if !s.ReadUint8(&p.Encoding) {
		return nil, malformed(TypeCertReq, "cut off")
	}
	p.Authorities = s
	return p, nil
}
