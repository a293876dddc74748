package auth

import (
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"net/netip"
	"strings"
	"unicode"
)

// Identity is an IKE identity (RFC 7296 section 3.5). It is comparable; the
// zero Identity means "none given".
type Identity struct {
	// Type is the IANA ID type: 1 IPv4 address, 2 DNS name, 3 mail address,
	// 5 IPv6 address, 9 distinguished name (DER), 11 opaque key ID.
	Type uint8
	// Data is the identification data as on the wire.
	Data string
}

// The ID types.
const (
	IDIPv4  uint8 = 1
	IDFQDN  uint8 = 2
	IDMail  uint8 = 3
	IDIPv6  uint8 = 5
	IDDN    uint8 = 9
	IDKeyID uint8 = 11
)

// maxIdentity bounds what a peer may call itself, in bytes.
const maxIdentity = 1024

// IsZero says whether no identity is given.
func (i Identity) IsZero() bool { return i == Identity{} }

// ParseIdentity reads what an admin writes: an IP address, a mail address or a
// DNS name. Names are compared in lower case.
func ParseIdentity(s string) (Identity, error) {
	if addr, err := netip.ParseAddr(s); err == nil {
		if addr.Zone() != "" {
			return Identity{}, fmt.Errorf("identity %q: an address with a zone means nothing to a peer", s)
		}
		return IdentityFromAddr(addr), nil
	}
	if s == "" || len(s) > 255 || strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return Identity{}, fmt.Errorf("identity %q is no address, DNS name or mail address", s)
	}
	if local, domain, ok := strings.Cut(s, "@"); ok {
		if local == "" || domain == "" {
			return Identity{}, fmt.Errorf("identity %q is no mail address", s)
		}
		return Identity{IDMail, strings.ToLower(s)}, nil
	}
	return Identity{IDFQDN, strings.ToLower(s)}, nil
}

// IdentityFromAddr is the identity of a host that goes by its address.
func IdentityFromAddr(addr netip.Addr) Identity {
	addr = addr.Unmap().WithZone("")
	if addr.Is4() {
		return Identity{IDIPv4, string(addr.AsSlice())}
	}
	return Identity{IDIPv6, string(addr.AsSlice())}
}

// IdentityFromWire reads an ID payload's type and data. A type we do not know
// is kept: it only ever equals itself.
func IdentityFromWire(idType uint8, data []byte) (Identity, error) {
	want := map[uint8]int{IDIPv4: 4, IDIPv6: 16}[idType]
	if idType == 0 || len(data) == 0 || len(data) > maxIdentity || (want != 0 && len(data) != want) {
		return Identity{}, fmt.Errorf("an identity of type %d cannot have %d bytes", idType, len(data))
	}
	if idType == IDFQDN || idType == IDMail {
		return Identity{idType, strings.ToLower(string(data))}, nil
	}
	return Identity{idType, string(data)}, nil
}

// Bytes is the identification data for the wire.
func (i Identity) Bytes() []byte { return []byte(i.Data) }

// String is for people: printable whatever a peer sent, with the type where it
// is not plain.
func (i Identity) String() string {
	switch i.Type {
	case 0:
		return ""
	case IDIPv4, IDIPv6:
		if addr, ok := netip.AddrFromSlice([]byte(i.Data)); ok {
			return addr.String()
		}
	case IDDN:
		var names pkix.RDNSequence
		if rest, err := asn1.Unmarshal([]byte(i.Data), &names); err == nil && len(rest) == 0 {
			if text := names.String(); !strings.ContainsFunc(text, unicode.IsControl) {
				return text
			}
		}
	case IDFQDN, IDMail:
		if !strings.ContainsFunc(i.Data, func(r rune) bool { return r <= ' ' || r > '~' }) {
			return i.Data
		}
	}
	return fmt.Sprintf("type %d %q", i.Type, i.Data)
}
