package xfrm

import (
	"fmt"
	"net/netip"
	"slices"

	"gatehouse/ipsec/sad"
)

// The upper protocols whose ports a policy of the kernel can match.
const (
	protoICMP, protoTCP, protoUDP, protoDCCP, protoICMPv6, protoSCTP, protoUDPLite = 1, 6, 17, 33, 58, 132, 136
)

// maxSelectors bounds what one policy may become in the kernel: ranges of
// addresses and ports are taken apart into prefixes.
const maxSelectors = 4096

// selectors are what a policy matches in one direction, from source to
// destination, as the kernel can say it.
func selectors(source, destination []sad.Selector) ([]selector, error) {
	var out []selector
	for _, s := range source {
		for _, d := range destination {
			if s.First.BitLen() != d.First.BitLen() {
				continue
			}
			protocol := s.Protocol
			switch {
			case protocol == 0:
				protocol = d.Protocol
			case d.Protocol != 0 && d.Protocol != protocol:
				continue
			}
			if s.Opaque() || d.Opaque() {
				return nil, fmt.Errorf("%s to %s: the kernel's policies cannot tell packets whose ports cannot be seen", s, d)
			}
			if protocol == protoICMP || protocol == protoICMPv6 {
				one, err := ofICMP(s, d, protocol)
				if err != nil {
					return nil, err
				}
				out = append(out, one...)
				continue
			}
			sports, dports := ports(s.FirstPort, s.LastPort), ports(d.FirstPort, d.LastPort)
			if protocol == 0 && (len(sports) != 1 || sports[0].mask != 0 || len(dports) != 1 || dports[0].mask != 0) {
				return nil, fmt.Errorf("%s to %s: the kernel's policies match ports of one protocol only", s, d)
			}
			for _, from := range prefixes(s.First, s.Last) {
				for _, to := range prefixes(d.First, d.Last) {
					for _, sp := range sports {
						for _, dp := range dports {
							out = append(out, selector{from, to, protocol, sp, dp})
						}
					}
				}
			}
			if len(out) > maxSelectors {
				return nil, fmt.Errorf("%s to %s: more than %d entries in the kernel", s, d, maxSelectors)
			}
		}
	}
	return out, nil
}

// everything are selectors that match all packets.
func everything() []selector {
	return []selector{
		{source: netip.PrefixFrom(netip.IPv4Unspecified(), 0), destination: netip.PrefixFrom(netip.IPv4Unspecified(), 0)},
		{source: netip.PrefixFrom(netip.IPv6Unspecified(), 0), destination: netip.PrefixFrom(netip.IPv6Unspecified(), 0)},
	}
}

// addressesOnly is a selector without its protocol and ports.
func addressesOnly(s selector) selector {
	return selector{source: s.source, destination: s.destination}
}

// addressesOf are selectors of addresses that hold all that some match. Many
// become everything: a mark tells the rest.
func addressesOf(source, destination []sad.Selector) (out []selector) {
	const few = 16
	for _, s := range source {
		for _, d := range destination {
			if s.First.BitLen() != d.First.BitLen() {
				continue
			}
			for _, from := range prefixes(s.First, s.Last) {
				for _, to := range prefixes(d.First, d.Last) {
					if one := (selector{source: from, destination: to}); !slices.Contains(out, one) {
						out = append(out, one)
					}
				}
			}
			if len(out) > few {
				return everything()
			}
		}
	}
	return out
}

// ofICMP: the kernel compares the type where others have the source port, and
// the code where they have the destination port.
func ofICMP(s, d sad.Selector, protocol uint8) ([]selector, error) {
	messages := s
	if messages.FirstPort == 0 && messages.LastPort == 65535 {
		messages = d
	}
	types, codes := masked{}, masked{}
	switch first, last := messages.FirstPort, messages.LastPort; {
	case first == 0 && last == 65535:
	case first>>8 != last>>8:
		return nil, fmt.Errorf("%s: a policy of the kernel has one ICMP type or all", messages)
	case first&0xff == 0 && last&0xff == 0xff:
		types = masked{first >> 8, 0xffff}
	case first == last:
		types, codes = masked{first >> 8, 0xffff}, masked{first & 0xff, 0xffff}
	default:
		return nil, fmt.Errorf("%s: a policy of the kernel has one ICMP code or all", messages)
	}
	var out []selector
	for _, from := range prefixes(s.First, s.Last) {
		for _, to := range prefixes(d.First, d.Last) {
			out = append(out, selector{from, to, protocol, types, codes})
		}
	}
	return out, nil
}

// prefixes are those that together are a range of addresses.
func prefixes(first, last netip.Addr) (out []netip.Prefix) {
	for {
		bits := first.BitLen()
		// The largest network that begins here and does not end behind last.
		for bits > 0 {
			p := netip.PrefixFrom(first, bits-1)
			if p.Masked().Addr() != first || last.Less(sad.LastOf(p)) {
				break
			}
			bits--
		}
		p := netip.PrefixFrom(first, bits)
		out = append(out, p)
		end := sad.LastOf(p)
		if !end.Less(last) {
			return out
		}
		first = end.Next()
	}
}

// ports are the masks that together are a range of ports.
func ports(first, last uint16) (out []masked) {
	for at := uint32(first); at <= uint32(last); {
		size := uint32(1)
		for at%(2*size) == 0 && at+2*size-1 <= uint32(last) && size < 1<<16 {
			size *= 2
		}
		out = append(out, masked{uint16(at), uint16(1<<16 - size)})
		at += size
	}
	return out
}
