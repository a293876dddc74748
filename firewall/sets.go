package firewall

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
)

// keyKind is what a set holds.
type keyKind struct {
	name     string // nft's name of the type
	datatype nftables.SetDatatype
	interval bool
	order    binaryutil.ByteOrder
}

// concatenated keys have fields; an interval of them is a range of each.
func (k keyKind) concatenated() bool { return strings.Contains(k.name, " . ") }

func keyIPv4() keyKind {
	return keyKind{"ipv4_addr", nftables.TypeIPAddr, true, binaryutil.BigEndian}
}
func keyIPv6() keyKind {
	return keyKind{"ipv6_addr", nftables.TypeIP6Addr, true, binaryutil.BigEndian}
}
func keyPort() keyKind {
	return keyKind{"inet_service", nftables.TypeInetService, true, binaryutil.BigEndian}
}
func keyICMPv6() keyKind {
	return keyKind{"icmpv6_type", nftables.TypeICMP6Type, false, binaryutil.BigEndian}
}
func keyDevice() keyKind {
	return keyKind{"ifname", nftables.TypeIFName, false, binaryutil.NativeEndian}
}
func keyCTState() keyKind {
	return keyKind{"ct_state", nftables.TypeCTState, false, binaryutil.NativeEndian}
}
func keyDevicePair() keyKind {
	pair := nftables.TypeIFName
	pair.Name, pair.Bytes = "ifname . ifname", 2*pair.Bytes
	magic := nftables.TypeIFName.GetNFTMagic()
	pair.SetNFTMagic(magic<<nftables.SetConcatTypeBits | magic)
	return keyKind{"ifname . ifname", pair, false, binaryutil.NativeEndian}
}

// set is a named set, or with verdicts a verdict map. A set of addresses has
// spans instead of elements: there may be a hundred thousand of them.
type set struct {
	name     string
	key      keyKind
	verdicts bool
	elements []element
	spans    []span
	// values makes a map to values of a type, by nft's name; the type is the
	// key's.
	values string
	// filled sets are empty at first and then filled by packets; what no packet
	// renews is forgotten after a while, if forget is not zero.
	filled bool
	forget time.Duration
	// timed sets are filled by bans: elements go after a time and count.
	timed bool
}

// size is how many elements a set has.
func (s set) size() int { return len(s.elements) + len(s.spans) }

// part yields the elements from one index to another.
func (s set) part(first, last int) iter.Seq[element] {
	return func(yield func(element) bool) {
		for i := first; i < last; i++ {
			var e element
			if i < len(s.elements) {
				e = s.elements[i]
			} else {
				p := s.spans[i-len(s.elements)]
				e = element{label: p.String(), key: p.First.AsSlice(), last: p.Last.AsSlice()}
			}
			if !yield(e) {
				return
			}
		}
	}
}

// element is one key, or in an interval set the inclusive range key to last.
type element struct {
	label     string // nft syntax of the key
	key, last []byte
	verdict   verdict
	// value is what a map with values has for the key; valueLabel is its text.
	value      []byte
	valueLabel string
}

func addressSet(name string, spans []span) set {
	s := set{name: name, key: keyIPv4(), spans: spans}
	if len(spans) > 0 && spans[0].First.Is6() {
		s.key = keyIPv6()
	}
	return s
}

func portSet(name string, ports []PortRange) set {
	s := set{name: name, key: keyPort()}
	for _, p := range disjointPorts(ports) {
		s.elements = append(s.elements, element{
			label: p.text(), key: binary.BigEndian.AppendUint16(nil, p.First), last: binary.BigEndian.AppendUint16(nil, p.Last),
		})
	}
	return s
}

func (p PortRange) text() string {
	if p.First == p.Last {
		return strconv.Itoa(int(p.First))
	}
	return fmt.Sprintf("%d-%d", p.First, p.Last)
}

// disjointPorts merges ranges that overlap or touch.
func disjointPorts(in []PortRange) []PortRange {
	in = slices.Clone(in)
	slices.SortFunc(in, func(a, b PortRange) int { return cmp.Compare(a.First, b.First) })
	var out []PortRange
	for _, p := range in {
		if n := len(out); n > 0 && int(p.First) <= int(out[n-1].Last)+1 {
			out[n-1].Last = max(out[n-1].Last, p.Last)
			continue
		}
		out = append(out, p)
	}
	return out
}

func deviceSet(name string, devices []string) set {
	s := set{name: name, key: keyDevice()}
	for _, d := range devices {
		s.elements = append(s.elements, element{label: strconv.Quote(d), key: deviceKey(d)})
	}
	return s
}

// deviceKey is a name as the kernel compares it: 16 bytes with zeros behind.
func deviceKey(name string) []byte {
	k := make([]byte, 16)
	copy(k, name)
	return k
}

// The types of Neighbor Discovery that a gateway needs (RFC 4861 4) and of
// Multicast Listener Discovery (RFC 2710 3, RFC 3810 5). Redirects are left
// out: nobody may move this gateway's routes.
func neighborDiscovery() set {
	return set{name: "neighbor_discovery", key: keyICMPv6(), elements: []element{
		{label: "nd-router-solicit", key: []byte{133}}, {label: "nd-router-advert", key: []byte{134}},
		{label: "nd-neighbor-solicit", key: []byte{135}}, {label: "nd-neighbor-advert", key: []byte{136}},
		// Inverse Neighbor Discovery (RFC 3122), SEND (RFC 3971 6).
		{label: "ind-neighbor-solicit", key: []byte{141}}, {label: "ind-neighbor-advert", key: []byte{142}},
		{label: "148", key: []byte{148}}, {label: "149", key: []byte{149}},
	}}
}

func listenerDiscovery() set {
	return set{name: "listener_discovery", key: keyICMPv6(), elements: []element{
		{label: "mld-listener-query", key: []byte{130}}, {label: "mld-listener-report", key: []byte{131}},
		{label: "mld-listener-done", key: []byte{132}}, {label: "mld2-listener-report", key: []byte{143}},
		// Multicast Router Discovery (RFC 4286).
		{label: "151", key: []byte{151}}, {label: "152", key: []byte{152}}, {label: "153", key: []byte{153}},
	}}
}

// connectionStates decides all but new packets by one look-up.
func connectionStates(name string, established, related, invalid verdict) set {
	state := func(bit uint32) []byte { return binary.NativeEndian.AppendUint32(nil, bit) }
	return set{name: name, key: keyCTState(), verdicts: true, elements: []element{
		{label: "established", key: state(expr.CtStateBitESTABLISHED), verdict: established},
		{label: "related", key: state(expr.CtStateBitRELATED), verdict: related},
		{label: "invalid", key: state(expr.CtStateBitINVALID), verdict: invalid},
	}}
}

// kernelElements are a part of the elements as the kernel stores them: an
// interval is its first key and, marked as an end, the key after its last; one
// of a concatenation has its last key with it.
func (s set) kernelElements(first, last int) []nftables.SetElement {
	out := make([]nftables.SetElement, 0, 2*(last-first))
	for e := range s.part(first, last) {
		ke := nftables.SetElement{Key: e.key}
		if s.verdicts {
			ke.VerdictData = e.verdict.expr()
		}
		ke.Val = e.value
		if s.key.interval && s.key.concatenated() {
			ke.KeyEnd = e.last
		}
		out = append(out, ke)
		if !s.key.interval || s.key.concatenated() {
			continue
		}
		if end, ok := after(e.last); ok {
			out = append(out, nftables.SetElement{Key: end, IntervalEnd: true})
		}
	}
	return out
}

// kernelSize is how many kernelElements there are in all. Only an interval up
// to the very last key has no end.
func (s set) kernelSize() int {
	n := s.size()
	if !s.key.interval || s.key.concatenated() || n == 0 {
		return n
	}
	return n + n - 1 + len(s.kernelElements(n-1, n)) - 1
}

// after is key plus one; false if there is no such key.
func after(key []byte) ([]byte, bool) {
	out := slices.Clone(key)
	for i := len(out) - 1; i >= 0; i-- {
		out[i]++
		if out[i] != 0 {
			return out, true
		}
	}
	return nil, false
}
