package wire

import (
	"fmt"

	"golang.org/x/crypto/cryptobyte"
)

// PayloadType is RFC 7296 section 3.2.
type PayloadType uint8

// The payload types. SKF is RFC 7383.
const (
	NoNext      PayloadType = 0
	TypeSA      PayloadType = 33
	TypeKE      PayloadType = 34
	TypeIDi     PayloadType = 35
	TypeIDr     PayloadType = 36
	TypeCert    PayloadType = 37
	TypeCertReq PayloadType = 38
	TypeAuth    PayloadType = 39
	TypeNonce   PayloadType = 40
	TypeNotify  PayloadType = 41
	TypeDelete  PayloadType = 42
	TypeVendor  PayloadType = 43
	TypeTSi     PayloadType = 44
	TypeTSr     PayloadType = 45
	TypeSK      PayloadType = 46
	TypeConfig  PayloadType = 47
	TypeEAP     PayloadType = 48
	TypeSKF     PayloadType = 53
)

var payloadNames = map[PayloadType]string{
	TypeSA: "SA", TypeKE: "KE", TypeIDi: "IDi", TypeIDr: "IDr", TypeCert: "CERT", TypeCertReq: "CERTREQ",
	TypeAuth: "AUTH", TypeNonce: "Nonce", TypeNotify: "N", TypeDelete: "D", TypeVendor: "V",
	TypeTSi: "TSi", TypeTSr: "TSr", TypeSK: "SK", TypeConfig: "CP", TypeEAP: "EAP", TypeSKF: "SKF",
}

func (t PayloadType) String() string {
	if n, ok := payloadNames[t]; ok {
		return n
	}
	return fmt.Sprintf("type %d", uint8(t))
}

// Payload is one parsed payload; see the types of this package.
type Payload interface {
	Type() PayloadType
	appendBody(*cryptobyte.Builder)
}

// criticalBit of the generic header (RFC 7296 section 3.2).
const criticalBit = 0x80

// genericHeaderLen is the length of the generic payload header.
const genericHeaderLen = 4

// readGeneric takes one payload's generic header and body off the front.
func readGeneric(t PayloadType, s *cryptobyte.String) (next PayloadType, critical bool, body cryptobyte.String, err error) {
	var flags uint8
	var length uint16
	var raw []byte
	if !s.ReadUint8((*uint8)(&next)) || !s.ReadUint8(&flags) || !s.ReadUint16(&length) {
		return 0, false, nil, malformed(t, "cut off in its header")
	}
	if length < genericHeaderLen || !s.ReadBytes(&raw, int(length)-genericHeaderLen) {
		return 0, false, nil, malformed(t, fmt.Sprintf("its length %d does not fit the message", length))
	}
	return next, flags&criticalBit != 0, raw, nil
}

// ParsePayloads reads a chain of payloads, such as the inside of an SK
// payload. The chain must end where the bytes end.
func ParsePayloads(first PayloadType, b []byte) ([]Payload, error) {
	s := cryptobyte.String(b)
	var out []Payload
	for t := first; t != NoNext; {
		if len(out) == maxPayloads {
			return nil, malformed(t, "too many payloads")
		}
		next, critical, body, err := readGeneric(t, &s)
		if err != nil {
			return nil, err
		}
		if t == TypeSK || t == TypeSKF {
			// Its next-payload field names the first payload inside; nothing
			// may follow (RFC 7296 section 3.14).
			p, err := parseEncrypted(t, next, body)
			if err != nil {
				return nil, err
			}
			out = append(out, p)
			break
		}
		p, err := parseBody(t, critical, body)
		if err != nil {
			return nil, err
		}
		out = append(out, p)
		t = next
	}
	if !s.Empty() {
		return nil, malformed(0, fmt.Sprintf("%d bytes follow the last payload", len(s)))
	}
	return out, nil
}

func parseBody(t PayloadType, critical bool, body cryptobyte.String) (Payload, error) {
	switch t {
	case TypeSA:
		return parseSA(body)
	case TypeKE:
		return parseKE(body)
	case TypeIDi, TypeIDr:
		return parseID(t, body)
	case TypeCert:
		return parseCert(body)
	case TypeCertReq:
		return parseCertReq(body)
	case TypeAuth:
		return parseAuth(body)
	case TypeNonce:
		return parseNonce(body)
	case TypeNotify:
		return parseNotify(body)
	case TypeDelete:
		return parseDelete(body)
	case TypeVendor:
		return &VendorID{Data: body}, nil
	case TypeTSi, TypeTSr:
		return parseTS(t, body)
	case TypeConfig:
		return parseConfig(body)
	case TypeEAP:
		return &EAP{Data: body}, nil
	}
	return &Unknown{PType: t, Critical: critical, Data: body}, nil
}

// MarshalPayloads builds a chain of payloads.
func MarshalPayloads(ps []Payload) (first PayloadType, body []byte, err error) {
	b := cryptobyte.NewBuilder(nil)
	for i, p := range ps {
		next := NoNext
		if i+1 < len(ps) {
			next = ps[i+1].Type()
		}
		if inside, ok := sealedFirst(p); ok {
			if i+1 < len(ps) {
				return 0, nil, malformed(p.Type(), "must be the last payload")
			}
			next = inside
		}
		content := cryptobyte.NewBuilder(nil)
		p.appendBody(content)
		raw, err := content.Bytes()
		if err != nil {
			return 0, nil, fmt.Errorf("build %s payload: %w", p.Type(), err)
		}
		if len(raw)+genericHeaderLen > MaxMessage {
			return 0, nil, fmt.Errorf("build %s payload: %d bytes are too long", p.Type(), len(raw))
		}
		b.AddUint8(uint8(next))
		var flags uint8
		if u, ok := p.(*Unknown); ok && u.Critical {
			flags = criticalBit
		}
		b.AddUint8(flags)
		b.AddUint16(uint16(len(raw) + genericHeaderLen))
		b.AddBytes(raw)
	}
	body, err = b.Bytes()
	if len(ps) > 0 {
		first = ps[0].Type()
	}
	return first, body, err
}

// Find gives the first payload of a type.
func Find[P Payload](ps []Payload) (P, bool) {
	for _, p := range ps {
		if found, ok := p.(P); ok {
			return found, true
		}
	}
	var none P
	return none, false
}
