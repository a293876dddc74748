package main

import (
	"encoding/hex"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"gatehouse/firewall"
	"gatehouse/ipsec"
	"gatehouse/ipsec/crypto"
	"gatehouse/ipsec/sad"
	"gatehouse/store"
)

// defaultReplayWindow is RFC 4303's (section 3.4.3).
const defaultReplayWindow = 64

// byHand translates the SAs and policies that are made by hand.
func byHand(doc store.Document, now world) (ipsec.Manual, error) {
	sas := map[string]store.ManualSA{}
	for _, s := range doc.ManualSAs {
		sas[s.Name] = s
	}
	services := map[string]store.Service{}
	for _, s := range doc.Services {
		services[s.Name] = s
	}
	var out ipsec.Manual
	var err error
	if out.Policies, err = demands(doc, services); err != nil {
		return out, err
	}
	for _, p := range doc.Policies {
		if !p.Enabled || now.nobody(doc, p) {
			continue
		}
		near, far := now.sides(doc, p)
		here, there := portsOf(p, services)
		mp := ipsec.ManualPolicy{Policy: sad.Policy{
			Name: p.Name, Action: protections[p.Protection], Way: ways[p.Direction],
			LocalTS: selected(near, here), RemoteTS: selected(far, there), Labels: p.Labels,
			Class: sad.Class{DSCP: codePoints(p.DSCP), FlowLabels: p.FlowLabels},
		}}
		for _, name := range p.SAs {
			sa, err := manualSA(sas[name], sas, 0)
			if err != nil {
				return out, err
			}
			mp.SAs = append(mp.SAs, *sa)
		}
		out.Policies = append(out.Policies, mp)
	}
	return out, nil
}

var (
	protections = map[store.Protection]sad.Action{store.Protect: sad.Protect, store.Bypass: sad.Bypass, store.Discard: sad.Discard}
	ways        = map[store.Direction]sad.Way{store.In: sad.Inward, store.Out: sad.Outward}
)

// maxSuccessors bounds a chain of SAs.
const maxSuccessors = 16

// manualSA translates an SA and those that follow it. The store has checked it;
// that it may be keyed by hand is checked once more where it would matter.
func manualSA(s store.ManualSA, all map[string]store.ManualSA, depth int) (*ipsec.ManualSA, error) {
	fail := func(err error) (*ipsec.ManualSA, error) { return nil, fmt.Errorf("manual SA %s: %w", s.Name, err) }
	if depth > maxSuccessors {
		return fail(fmt.Errorf("more than %d SAs follow one another, or in a circle", maxSuccessors))
	}
	integrity := strings.TrimPrefix(s.Integrity, "hmac-")
	out := ipsec.ManualSA{Name: s.Name, SA: sad.SA{
		SPI: sad.SPI(s.SPI), Protocol: sad.ESP, Mode: sad.Tunnel, Direction: sad.Out,
		Local: s.Source, Remote: s.Destination, ESN: s.ESN, NoReplay: s.NoReplay,
		Lifetime: sad.Lifetime{
			Soft:      bound(s.SoftHours, s.SoftMegabytes, s.SoftPackets),
			Hard:      bound(s.HardHours, s.HardMegabytes, s.HardPackets),
			Terminate: s.Successor == "",
		},
	}}
	if s.Direction == store.In {
		out.Direction, out.Local, out.Remote = sad.In, s.Destination, s.Source
		if !s.NoReplay {
			out.ReplayWindow = defaultReplayWindow
			if s.ReplayWindow > 0 {
				out.ReplayWindow = uint32(s.ReplayWindow)
			}
		}
	}
	if s.Mode == "transport" {
		out.Mode = sad.Transport
	}
	if s.UDPPort != 0 {
		out.Encap = &sad.Encap{LocalPort: natTPort, RemotePort: s.UDPPort}
	}
	var err error
	if s.Protocol == "ah" {
		out.Protocol = sad.AH
		out.Suite, err = crypto.ParseAHSuite(integrity)
	} else {
		out.Suite, err = crypto.ParseESPSuite(strings.TrimSuffix(s.Encryption, "-cbc") + "-" + integrity)
	}
	if err == nil {
		err = out.Suite.ForManualKeys()
	}
	if err == nil && out.Suite.Legacy() && !s.Legacy {
		err = fmt.Errorf("%s can be broken and is not admitted", out.Suite)
	}
	if err != nil {
		return fail(err)
	}
	if out.EncryptionKey, err = hex.DecodeString(s.EncryptionKey.Reveal()); err != nil {
		return fail(fmt.Errorf("its encryption key is not hexadecimal"))
	}
	if out.IntegrityKey, err = hex.DecodeString(s.IntegrityKey.Reveal()); err != nil {
		return fail(fmt.Errorf("its integrity key is not hexadecimal"))
	}
	if next, ok := all[s.Successor]; ok {
		if out.Successor, err = manualSA(next, all, depth+1); err != nil {
			return nil, err
		}
	}
	return &out, nil
}

func bound(hours, megabytes, packets uint32) sad.Bound {
	return sad.Bound{Time: time.Duration(hours) * time.Hour, Bytes: uint64(megabytes) * 1_000_000, Packets: uint64(packets)}
}

// reach is what a selector compares above the addresses, on one side.
type reach struct {
	protocol    uint8
	first, last uint16
	v4, v6      bool
}

// portsOf are the protocols and ports of a policy on this side and on the other.
func portsOf(p store.Policy, services map[string]store.Service) (here, there []reach) {
	everywhere := reach{last: 65535, v4: true, v6: true}
	if len(p.Services) == 0 {
		all := []reach{everywhere}
		return all, all
	}
	var from, to []reach
	add := func(protocol uint8, v4, v6 bool, sources, destinations []firewall.PortRange) {
		side := func(out *[]reach, ports []firewall.PortRange) {
			if len(ports) == 0 {
				ports = []firewall.PortRange{{First: 0, Last: 65535}}
			}
			for _, r := range ports {
				*out = append(*out, reach{protocol, r.First, r.Last, v4, v6})
			}
			if p.Opaque {
				*out = append(*out, reach{protocol, 65535, 0, v4, v6})
			}
		}
		side(&from, sources)
		side(&to, destinations)
	}
	for _, name := range p.Services {
		for _, s := range matched(services[name]) {
			switch s.Protocol {
			case firewall.OtherProtocol:
				for _, n := range s.Numbers {
					for number := int(n.First); number <= int(n.Last); number++ {
						add(uint8(number), true, true, nil, nil)
					}
				}
			case firewall.ICMP:
				add4, add6 := icmpPorts(s.Messages)
				if len(s.Messages) == 0 || len(add4) > 0 {
					add(1, true, false, add4, add4)
				}
				if len(s.Messages) == 0 || len(add6) > 0 {
					add(58, false, true, add6, add6)
				}
			default:
				number := map[firewall.Protocol]uint8{firewall.TCP: 6, firewall.UDP: 17}[s.Protocol]
				add(number, true, true, portRanges(p.SourcePorts), s.Ports)
			}
		}
	}
	if p.Direction == store.In {
		return to, from
	}
	return from, to
}

// icmpPorts are messages as ports: 256 times the type, plus the code (RFC 4301
// section 4.4.1.1).
func icmpPorts(all []firewall.Message) (v4, v6 []firewall.PortRange) {
	for _, m := range all {
		first, last := uint16(m.Type)<<8, uint16(m.Type)<<8|0xff
		if m.Code != firewall.AnyCode {
			first |= uint16(m.Code)
			last = first
		}
		if m.V6 {
			v6 = append(v6, firewall.PortRange{First: first, Last: last})
		} else {
			v4 = append(v4, firewall.PortRange{First: first, Last: last})
		}
	}
	return v4, v6
}

// selected are the selectors of one side; no addresses mean all.
func selected(addresses []store.AddressRange, above []reach) []sad.Selector {
	if len(addresses) == 0 {
		addresses = []store.AddressRange{
			store.RangeOf(netip.PrefixFrom(netip.IPv4Unspecified(), 0)), store.RangeOf(netip.PrefixFrom(netip.IPv6Unspecified(), 0)),
		}
	}
	var out []sad.Selector
	for _, a := range addresses {
		for _, r := range above {
			if a.First.Is4() && r.v4 || a.First.Is6() && r.v6 {
				out = append(out, sad.Selector{First: a.First, Last: a.Last, Protocol: r.protocol, FirstPort: r.first, LastPort: r.last})
			}
		}
	}
	return slices.Compact(out)
}
