package auth

// Identity is an IKE identity (RFC 7296 section 3.5). It is comparable; the
// zero Identity means "none given".
type Identity struct {
	// Type is the IANA ID type: 1 IPv4 address, 2 DNS name, 3 mail address,
	// 5 IPv6 address, 11 opaque key ID.
	Type uint8
	// Data is the identification data as on the wire.
	Data string
}
