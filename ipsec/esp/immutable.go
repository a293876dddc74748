package esp

import (
	"encoding/binary"
	"errors"
)

// errMutable is every header whose immutable part cannot be told.
var errMutable = errors.New("the header cannot be authenticated")

// Fixed header lengths in bytes (RFC 791 section 3.1, RFC 8200 section 3).
const (
	ipv4Header = 20
	ipv6Header = 40
)

// immutable makes the headers in front of an Authentication Header what they
// are for its ICV: fields that routers change on the way are zero (RFC 4302
// section 3.3.3.1). header is the IP header with its options or extension
// headers and is changed. Source routes are refused: what they change cannot be
// foretold without walking them, and RFC 5095 and common practice drop them.
func immutable(header []byte) error {
	if len(header) == 0 {
		return errMutable
	}
	switch header[0] >> 4 {
	case 4:
		return immutableIPv4(header)
	case 6:
		return immutableIPv6(header)
	}
	return errMutable
}

// immutableIPv4 is RFC 4302 section 3.3.3.1.1.
func immutableIPv4(h []byte) error {
	if len(h) < ipv4Header || int(h[0]&0x0f)*4 != len(h) {
		return errMutable
	}
	h[1] = 0                              // DSCP and ECN
	binary.BigEndian.PutUint16(h[6:], 0)  // flags and fragment offset
	h[8] = 0                              // TTL
	binary.BigEndian.PutUint16(h[10:], 0) // checksum
	for options := h[ipv4Header:]; len(options) > 0; {
		kind, length := options[0], 1
		switch kind {
		case 0: // end of the list: the rest is padding
			return nil
		case 1: // no operation
			options = options[1:]
			continue
		}
		if len(options) < 2 {
			return errMutable
		}
		if length = int(options[1]); length < 2 || length > len(options) {
			return errMutable
		}
		switch kind {
		case 131, 137: // loose and strict source route
			return errMutable
		case 130, 133, 134, 148, 149: // security labels, router alert, multi-destination delivery
		default:
			clear(options[:length])
		}
		options = options[length:]
	}
	return nil
}

// immutableIPv6 is RFC 4302 section 3.3.3.1.2: traffic class, flow label and
// hop limit are zero, and the data of options that say of themselves that they
// change on the way.
func immutableIPv6(h []byte) error {
	if len(h) < ipv6Header {
		return errMutable
	}
	binary.BigEndian.PutUint32(h, 6<<28)
	h[7] = 0
	next := h[6]
	for rest := h[ipv6Header:]; len(rest) > 0; {
		if len(rest) < 8 {
			return errMutable
		}
		length := (int(rest[1]) + 1) * 8
		if length > len(rest) {
			return errMutable
		}
		switch next {
		case extHopByHop, extDestination:
			if err := immutableOptions(rest[2:length]); err != nil {
				return err
			}
		case extRouting:
			if rest[3] != 0 { // segments left: the destination is not the last one yet
				return errMutable
			}
		default:
			return errMutable
		}
		next, rest = rest[0], rest[length:]
	}
	return nil
}

// immutableOptions zeroes the data of options whose third-highest bit is set
// (RFC 8200 section 4.2).
func immutableOptions(options []byte) error {
	const pad1, changes = 0, 0x20
	for len(options) > 0 {
		if options[0] == pad1 {
			options = options[1:]
			continue
		}
		if len(options) < 2 || int(options[1])+2 > len(options) {
			return errMutable
		}
		length := int(options[1]) + 2
		if options[0]&changes != 0 {
			clear(options[2:length])
		}
		options = options[length:]
	}
	return nil
}
