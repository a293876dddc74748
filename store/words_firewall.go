package store

import (
	"fmt"
	"strconv"
	"strings"
)

// dscpNames are the code points that have names: class selectors (RFC 2474
// 4.2.2), assured forwarding (RFC 2597), expedited forwarding (RFC 3246), voice
// admit (RFC 5865) and lower effort (RFC 8622).
var dscpNames = map[string]uint8{
	"cs0": 0, "cs1": 8, "cs2": 16, "cs3": 24, "cs4": 32, "cs5": 40, "cs6": 48, "cs7": 56,
	"af11": 10, "af12": 12, "af13": 14, "af21": 18, "af22": 20, "af23": 22,
	"af31": 26, "af32": 28, "af33": 30, "af41": 34, "af42": 36, "af43": 38,
	"ef": 46, "va": 44, "le": 1,
}

// ParseDSCP reads a code point: a number from 0 to 63, or a name such as ef.
func ParseDSCP(s string) (uint8, error) {
	if n, ok := dscpNames[s]; ok {
		return n, nil
	}
	n, err := strconv.ParseUint(s, 10, 8)
	if err != nil || n > 63 || strconv.Itoa(int(n)) != s {
		return 0, fmt.Errorf("%q is not a number from 0 to 63 or a name such as ef, cs1 or af21", s)
	}
	return uint8(n), nil
}

// NumberRange is an inclusive range of IP protocol numbers.
type NumberRange struct{ First, Last uint8 }

// ParseProtocolNumbers reads numbers and ranges with commas between them, as in
// 47,50-51.
func ParseProtocolNumbers(s string) ([]NumberRange, error) {
	wrong := fmt.Errorf("must be tcp, udp, tcp+udp, icmp or numbers from 1 to 255, as in 47 or 47,50-51")
	number := func(s string) (uint8, bool) {
		n, err := strconv.ParseUint(s, 10, 8)
		return uint8(n), err == nil && n > 0 && strconv.Itoa(int(n)) == s
	}
	var out []NumberRange
	for part := range strings.SplitSeq(s, ",") {
		first, last, ranged := strings.Cut(strings.TrimSpace(part), "-")
		if !ranged {
			last = first
		}
		a, ok1 := number(strings.TrimSpace(first))
		b, ok2 := number(strings.TrimSpace(last))
		if !ok1 || !ok2 || b < a {
			return nil, wrong
		}
		out = append(out, NumberRange{a, b})
	}
	return out, nil
}

// Message is a kind of ICMP (RFC 792) or ICMPv6 (RFC 4443) messages.
type Message struct {
	V6   bool
	Type uint8
	Code int // 0 to 255, or AnyCode
}

// AnyCode stands for all codes of a Message.
const AnyCode = -1

// messageNames are those an admin may want to name. A name that both families
// have means both.
var messageNames = map[string][]Message{
	"echo-request":            {{false, 8, AnyCode}, {true, 128, AnyCode}},
	"echo-reply":              {{false, 0, AnyCode}, {true, 129, AnyCode}},
	"destination-unreachable": {{false, 3, AnyCode}, {true, 1, AnyCode}},
	"port-unreachable":        {{false, 3, 3}, {true, 1, 4}},
	"host-unreachable":        {{false, 3, 1}, {true, 1, 3}},
	"packet-too-big":          {{false, 3, 4}, {true, 2, AnyCode}},
	"time-exceeded":           {{false, 11, AnyCode}, {true, 3, AnyCode}},
	"parameter-problem":       {{false, 12, AnyCode}, {true, 4, AnyCode}},
	"redirect":                {{false, 5, AnyCode}, {true, 137, AnyCode}},
	"router-solicitation":     {{false, 10, AnyCode}, {true, 133, AnyCode}},
	"router-advertisement":    {{false, 9, AnyCode}, {true, 134, AnyCode}},
	"timestamp-request":       {{false, 13, AnyCode}},
	"timestamp-reply":         {{false, 14, AnyCode}},
	"neighbour-solicitation":  {{true, 135, AnyCode}},
	"neighbour-advertisement": {{true, 136, AnyCode}},
}

// ParseMessage reads a name such as echo-request, which may mean a message of
// each family, or a family with a type and perhaps a code: icmp 3/4, icmpv6 1.
func ParseMessage(s string) ([]Message, error) {
	if m, ok := messageNames[s]; ok {
		return m, nil
	}
	wrong := fmt.Errorf("%q is not a message such as echo-request, icmp 3/4 or icmpv6 1", s)
	family, numbers, _ := strings.Cut(s, " ")
	if family != "icmp" && family != "icmpv6" {
		return nil, wrong
	}
	kind, code, coded := strings.Cut(strings.TrimSpace(numbers), "/")
	n, err := strconv.ParseUint(kind, 10, 8)
	if err != nil {
		return nil, wrong
	}
	m := Message{V6: family == "icmpv6", Type: uint8(n), Code: AnyCode}
	if coded {
		n, err := strconv.ParseUint(code, 10, 8)
		if err != nil {
			return nil, wrong
		}
		m.Code = int(n)
	}
	return []Message{m}, nil
}
