package store

import (
	"fmt"
	"hash/fnv"
	"net/netip"
	"slices"
	"strings"

	"go4.org/netipx"
)

// Names of algorithms in Linux, and the length of what HMACs leave in bits.
var (
	linuxCiphers = map[string]string{
		"aes256-cbc": "cbc(aes)", "aes192-cbc": "cbc(aes)", "aes128-cbc": "cbc(aes)", "null": "ecb(cipher_null)",
		"3des-cbc": "cbc(des3_ede)", "blowfish128-cbc": "cbc(blowfish)", "cast128-cbc": "cbc(cast5)", "des-cbc": "cbc(des)",
	}
	linuxHashes = map[string]struct {
		name string
		bits int
	}{
		"hmac-sha256": {"hmac(sha256)", 128}, "hmac-sha384": {"hmac(sha384)", 192}, "hmac-sha512": {"hmac(sha512)", 256},
		"hmac-sha1": {"hmac(sha1)", 96}, "hmac-md5": {"hmac(md5)", 96},
	}
)

// IPXfrm are the commands that make a plain Linux the other side, keys included.
// What its policies cannot say is a comment.
func (m Mirrored) IPXfrm(services []Service) string {
	var b strings.Builder
	sas := map[string]ManualSA{}
	of := map[string]Policy{}
	for _, s := range m.ManualSAs {
		sas[s.Name] = s
	}
	for _, p := range m.Policies {
		for _, name := range p.SAs {
			for seen := 0; name != "" && seen < len(sas); seen++ {
				of[name] = p
				name = sas[name].Successor
			}
		}
	}
	for _, s := range m.ManualSAs {
		b.WriteString(s.ipXfrm(reqID(of[s.Name].Name)) + "\n")
	}
	for i, p := range m.Policies {
		for _, line := range p.ipXfrm(i+1, sas, services) {
			b.WriteString(line + "\n")
		}
	}
	return b.String()
}

// reqID ties an SA to its policy: a number that the kernel does not choose
// itself.
func reqID(policy string) uint32 {
	h := fnv.New32a()
	h.Write([]byte(policy))
	return 1 + h.Sum32()%0x3fff
}

func (s ManualSA) ipXfrm(req uint32) string {
	line := fmt.Sprintf("ip xfrm state add src %s dst %s proto %s spi 0x%08x reqid %d mode %s", s.Source, s.Destination, s.Protocol, s.SPI, req, s.Mode)
	if s.Direction == In && !s.NoReplay {
		window := s.ReplayWindow
		if window == 0 {
			window = 64
		}
		line += fmt.Sprintf(" replay-window %d", window)
	} else if s.ESN {
		line += " replay-window 64"
	}
	// A tunnel carries both families, and what is around it does.
	flags := []string{"af-unspec"}
	if s.ESN {
		flags = append(flags, "esn")
	}
	if s.Protocol == "ah" && s.Source.Is4() {
		// Without it Linux fills up AH over IPv4 to 8 bytes, against RFC 4302 3.3.3.2.1.
		flags = append(flags, "align4")
	}
	line += " flag " + strings.Join(flags, " ")
	if s.Protocol == "esp" {
		key := `""`
		if s.EncryptionKey != "" {
			key = "0x" + s.EncryptionKey.Reveal()
		}
		line += fmt.Sprintf(" enc '%s' %s", linuxCiphers[s.Encryption], key)
	}
	hash := linuxHashes[s.Integrity]
	line += fmt.Sprintf(" auth-trunc '%s' 0x%s %d", hash.name, s.IntegrityKey.Reveal(), hash.bits)
	if s.UDPPort != 0 {
		// On the other side, 4500 is the peer's port.
		from, to := s.UDPPort, uint16(4500)
		if s.Direction == In {
			from, to = to, from
		}
		any := "0.0.0.0"
		if s.Source.Is6() {
			any = "::"
		}
		line += fmt.Sprintf(" encap espinudp %d %d %s", from, to, any)
	}
	for _, l := range []struct {
		name string
		n    uint64
	}{
		{"time-soft", uint64(s.SoftHours) * 3600}, {"time-hard", uint64(s.HardHours) * 3600}, {"byte-soft", uint64(s.SoftMegabytes) * 1_000_000},
		{"byte-hard", uint64(s.HardMegabytes) * 1_000_000}, {"packet-soft", uint64(s.SoftPackets)}, {"packet-hard", uint64(s.HardPackets)},
	} {
		if l.n > 0 {
			line += fmt.Sprintf(" limit %s %d", l.name, l.n)
		}
	}
	return line
}

// ipXfrm are the commands for one policy; Linux wants one for each pair of
// networks, and for what comes in another for what is passed on.
func (p Policy) ipXfrm(place int, sas map[string]ManualSA, services []Service) []string {
	if len(p.DSCP)+len(p.FlowLabels)+len(p.SourcePorts) > 0 {
		return []string{fmt.Sprintf("# %s chooses by traffic class or source ports, which ip xfrm policy cannot say", p.Name)}
	}
	uppers := []string{""}
	if len(p.Services) > 0 {
		uppers = nil
	}
	for _, name := range p.Services {
		i := serviceKind.find(services, name)
		if i < 0 {
			continue
		}
		more, ok := services[i].ipXfrm()
		if !ok {
			return []string{fmt.Sprintf("# %s: what the service %s matches cannot be said by ip xfrm policy", p.Name, name)}
		}
		uppers = append(uppers, more...)
	}
	rest := fmt.Sprintf(" priority %d", place)
	if p.Protection == Discard {
		rest += " action block"
	}
	for _, name := range p.SAs {
		s := sas[name]
		ends := fmt.Sprintf(" src %s dst %s", s.Source, s.Destination)
		if s.Mode == "transport" {
			ends = ""
		}
		rest += fmt.Sprintf(" tmpl%s proto %s reqid %d mode %s", ends, s.Protocol, reqID(p.Name), s.Mode)
	}
	ways := []string{string(p.Direction)}
	if p.Direction == In {
		ways = append(ways, "fwd")
	}
	var out []string
	for _, from := range prefixesOf(p.Sources) {
		for _, to := range prefixesOf(p.Destinations) {
			if from.Addr().Is4() != to.Addr().Is4() {
				continue
			}
			if from.Addr().Is6() && hostToHost(p, sas) {
				// Two hosts must find each other on their link, although all else between
				// them is protected (RFC 4861: by its hop limit).
				for _, kind := range []string{"135", "136"} {
					out = append(out, fmt.Sprintf("ip xfrm policy add src %s dst %s proto ipv6-icmp type %s dir %s priority 0", from, to, kind, p.Direction))
				}
			}
			for _, upper := range uppers {
				for _, way := range ways {
					out = append(out, fmt.Sprintf("ip xfrm policy add src %s dst %s%s dir %s%s", from, to, upper, way, rest))
				}
			}
		}
	}
	return out
}

// hostToHost says whether a policy protects the hosts themselves.
func hostToHost(p Policy, sas map[string]ManualSA) bool {
	return len(p.SAs) > 0 && !slices.ContainsFunc(p.SAs, func(name string) bool { return sas[name].Mode != "transport" })
}

// ipXfrm is what comes behind the addresses; false if it cannot be said.
func (s Service) ipXfrm() ([]string, bool) {
	if len(s.Messages) > 0 {
		return nil, false
	}
	var out []string
	for protocol := range strings.SplitSeq(s.Protocol, "+") {
		if protocol == "icmp" {
			return nil, false // it is another protocol in each family
		}
		if len(s.Ports) == 0 {
			if strings.ContainsAny(protocol, ",-") {
				return nil, false
			}
			out = append(out, " proto "+protocol)
		}
		for _, r := range s.Ports {
			if r.First != r.Last {
				return nil, false
			}
			out = append(out, fmt.Sprintf(" proto %s dport %d", protocol, r.First))
		}
	}
	return out, true
}

// prefixesOf are ranges as networks; none means any.
func prefixesOf(all []AddressRange) []netip.Prefix {
	if len(all) == 0 {
		return []netip.Prefix{netip.PrefixFrom(netip.IPv4Unspecified(), 0), netip.PrefixFrom(netip.IPv6Unspecified(), 0)}
	}
	var out []netip.Prefix
	for _, r := range all {
		out = append(out, netipx.IPRangeFrom(r.First, r.Last).Prefixes()...)
	}
	return out
}
