package crypto

// DefaultAHSuites are offered where an admin names none, the best first (RFC 8221
// section 6).
func DefaultAHSuites() []Suite {
	return []Suite{{Integrity: IntegrityHMACSHA256128}, {Integrity: IntegrityHMACSHA512256}}
}
