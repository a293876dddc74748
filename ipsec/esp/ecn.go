package esp

// The two bits of explicit congestion notification (RFC 3168 section 5).
const (
	ecnMask = 3
	notECT  = 0
	ect1    = 1
	ect0    = 2
	ce      = 3
)

// decapsulateECN is what the inner packet's bits become when it leaves a tunnel
// whose header had those of outer; drop says that congestion was experienced by
// a packet whose sender would not learn of it (RFC 6040 section 4.2).
func decapsulateECN(inner, outer uint8) (bits uint8, drop bool) {
	inner, outer = inner&ecnMask, outer&ecnMask
	switch {
	case inner == notECT:
		return notECT, outer == ce
	case outer == ce:
		return ce, false
	case inner == ect0 && outer == ect1:
		return ect1, false
	}
	return inner, false
}
