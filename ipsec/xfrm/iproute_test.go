//go:build guest

package xfrm

import (
	"encoding/hex"
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"gatehouse/ipsec/planetest"
	"gatehouse/ipsec/sad"
)

// iproute is a plain Linux: what an admin types into its `ip xfrm`. It is the
// judge of both planes, so it shares nothing with them but the names of
// algorithms.
type iproute struct {
	ns       string
	policies []sad.Policy
	sas      []sad.SA
}

// plainLinux has no xfrm interface: its policies see packets on their way to the
// route that leads into ipsec0, a device that would only swallow them.
func plainLinux() planetest.Kind {
	return planetest.Kind{Name: "ip xfrm", OnTheWay: true, Open: func(t testing.TB, h *planetest.Host) planetest.Plane {
		planetest.Run(t, "ip", "-n", h.NS, "link", "add", "ipsec0", "type", "dummy")
		planetest.Run(t, "ip", "-n", h.NS, "link", "set", "ipsec0", "up")
		// No command takes ESP out of UDP: that needs a socket of a program.
		s, err := openSocket(4500)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.close() })
		return &iproute{ns: h.NS}
	}}
}

// batch runs commands of `ip`, one a line.
func (p *iproute) batch(lines ...string) error {
	cmd := exec.Command("ip", "-n", p.ns, "-batch", "-")
	cmd.Stdin = strings.NewReader(strings.Join(lines, "\n") + "\n")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("ip -batch: %w: %s\n%s", err, out, strings.Join(lines, "\n"))
	}
	return nil
}

func (p *iproute) SetPolicies(all []sad.Policy) error {
	p.policies, p.sas = all, nil
	return p.batch("xfrm policy flush", "xfrm state flush")
}

// Install adds a state, and the policies with the last of those that they need.
func (p *iproute) Install(sa sad.SA) error {
	p.sas = append(p.sas, sa)
	lines := []string{state(sa)}
	if pol := p.policies[0]; len(p.sas) == 2*len(pol.Needs) {
		lines = append(lines, p.policy(pol)...)
	}
	return p.batch(lines...)
}

func state(sa sad.SA) string {
	from, to := addresses(sa)
	line := fmt.Sprintf("xfrm state add src %s dst %s proto %s spi %d reqid %d mode %s", from, to, protocolName(sa.Protocol), sa.SPI, sa.Policy, modeName(sa.Mode))
	flags := []string{"af-unspec"} // one tunnel for both families
	if sa.ESN {
		flags = append(flags, "esn")
	}
	if sa.Protocol == sad.AH && sa.Local.Is4() {
		flags = append(flags, "align4")
	}
	if sa.ESN || sa.Direction == sad.In {
		line += fmt.Sprintf(" replay-window %d", 64)
	}
	line += " flag " + strings.Join(flags, " ")
	key := func(b []byte) string {
		if len(b) == 0 {
			return `""`
		}
		return "0x" + hex.EncodeToString(b)
	}
	switch cipher := ciphers[sa.Suite.Encryption]; {
	case sa.Protocol == sad.ESP && sa.Suite.Encryption.AEAD():
		line += fmt.Sprintf(" aead '%s' %s 128", cipher, key(sa.EncryptionKey))
	case sa.Protocol == sad.ESP:
		line += fmt.Sprintf(" enc '%s' %s", cipher, key(sa.EncryptionKey))
		fallthrough
	default:
		info, _ := sa.Suite.Integrity.Info()
		line += fmt.Sprintf(" auth-trunc '%s' %s %d", digests[sa.Suite.Integrity], key(sa.IntegrityKey), info.ICV*8)
	}
	if sa.Encap != nil {
		line += " encap espinudp 4500 4500 " + map[bool]string{true: "0.0.0.0", false: "::"}[sa.Local.Is4()]
	}
	return line
}

// policy is one for each pair of addresses, each way; hosts between which all is
// protected must still find each other on their link.
func (p *iproute) policy(pol sad.Policy) (lines []string) {
	for _, way := range []string{"out", "in", "fwd"} {
		templates := ""
		for _, n := range pol.Needs {
			templates += fmt.Sprintf(" tmpl%s proto %s reqid %d mode %s", p.ends(n, way), protocolName(n.Protocol), pol.ID, modeName(n.Mode))
		}
		for _, local := range pol.LocalTS {
			for _, remote := range pol.RemoteTS {
				if local.First.Is4() != remote.First.Is4() {
					continue
				}
				from, to := local.First, remote.First
				if way != "out" {
					from, to = to, from
				}
				lines = append(lines, fmt.Sprintf("xfrm policy add src %s dst %s dir %s priority 10%s", from, to, way, templates))
				for kind := 135; from.Is6() && kind <= 136; kind++ {
					lines = append(lines, fmt.Sprintf("xfrm policy add src %s dst %s proto ipv6-icmp type %d dir %s priority 1", from, to, kind, way))
				}
			}
		}
	}
	return lines
}

// ends are the addresses of a tunnel.
func (p *iproute) ends(n sad.Need, way string) string {
	for _, sa := range p.sas {
		if n.Mode == sad.Tunnel && sa.Protocol == n.Protocol && (sa.Direction == sad.Out) == (way == "out") {
			from, to := addresses(sa)
			return fmt.Sprintf(" src %s dst %s", from, to)
		}
	}
	return ""
}

func (p *iproute) Remove(id sad.ID) error            { return fmt.Errorf("SA %s: not here", id.SPI) }
func (p *iproute) AllocateSPI() (sad.SPI, error)     { return 0, fmt.Errorf("SPIs are chosen by hand") }
func (p *iproute) Usage(id sad.ID) (sad.Usage, bool) { return sad.Usage{}, false }

func protocolName(p sad.Protocol) string {
	return map[sad.Protocol]string{sad.ESP: "esp", sad.AH: "ah"}[p]
}

func modeName(m sad.Mode) string {
	return map[sad.Mode]string{sad.Tunnel: "tunnel", sad.Transport: "transport"}[m]
}
