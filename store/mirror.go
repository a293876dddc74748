package store

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// Mirrored is what the other side needs for SAs keyed by hand: its own
// document's SAs and policies, keys included.
type Mirrored struct {
	ManualSAs []ManualSA `json:"manual_sas"`
	Policies  []Policy   `json:"policies"`
}

// ByHand asks for a pair of policies, and an SA for each protection in each
// direction, with fresh keys.
type ByHand struct {
	Name string
	// Here and There are the gateways' addresses, Near and Far what is protected
	// between them; in transport mode that is the gateways themselves.
	Here, There netip.Addr
	Near, Far   []AddressRange
	// Protocols are esp, ah, or both, which is ah around esp.
	Protocols []string
	// Mode is that of the innermost SA.
	Mode string
}

// Make makes it with aes256-cbc and hmac-sha256. Nobody has seen the keys before.
func (b ByHand) Make() Mirrored {
	var out Mirrored
	near, far := b.Near, b.Far
	if b.Mode == "transport" {
		near, far = []AddressRange{{b.Here, b.Here}}, []AddressRange{{b.There, b.There}}
	}
	for _, way := range []Direction{Out, In} {
		p := Policy{Name: b.Name + "-" + string(way), Enabled: true, Direction: way, Protection: Protect, Sources: near, Destinations: far}
		from, to := b.Here, b.There
		if way == In {
			from, to, p.Sources, p.Destinations = to, from, far, near
		}
		for i, protocol := range b.Protocols {
			s := ManualSA{Name: fmt.Sprintf("%s-%s-%s", b.Name, protocol, way), Enabled: true, Direction: way, Protocol: protocol, Mode: b.Mode,
				Source: from, Destination: to, SPI: freshSPI(), Integrity: "hmac-sha256", IntegrityKey: freshKey(32)}
			if i > 0 {
				s.Mode = "transport"
			}
			if protocol == "esp" {
				s.Encryption, s.EncryptionKey = "aes256-cbc", freshKey(32)
			}
			p.SAs = append(p.SAs, s.Name)
			out.ManualSAs = append(out.ManualSAs, s)
		}
		out.Policies = append(out.Policies, p)
	}
	return out
}

func freshKey(n int) Secret {
	key := make([]byte, n)
	rand.Read(key) // never fails
	return Secret(hex.EncodeToString(key))
}

// freshSPI is one that is not reserved.
func freshSPI() uint32 {
	var b [4]byte
	for {
		rand.Read(b[:])
		if n := binary.BigEndian.Uint32(b[:]); n > 0xffff {
			return n
		}
	}
}

// Mirror is the other side's half of policies and of the SAs that they name, with
// those that follow these.
func (d Document) Mirror(policies ...string) (Mirrored, error) {
	var out Mirrored
	taken := map[string]bool{}
	var take func(name string)
	take = func(name string) {
		if i := manualKind.find(d.ManualSAs, name); i >= 0 && !taken[name] {
			taken[name] = true
			s := d.ManualSAs[i]
			take(s.Successor)
			s.Direction, s.Name, s.Successor = other(s.Direction), turned(s.Name), turned(s.Successor)
			out.ManualSAs = append(out.ManualSAs, s)
		}
	}
	for _, name := range policies {
		i := policyKind.find(d.Policies, name)
		if i < 0 {
			return out, fmt.Errorf("policy %s: %w", name, ErrNotFound)
		}
		p := d.Policies[i]
		for _, sa := range p.SAs {
			take(sa)
		}
		p.Direction, p.Name, p.SAs = other(p.Direction), turned(p.Name), slices.Clone(p.SAs)
		for j, sa := range p.SAs {
			p.SAs[j] = turned(sa)
		}
		out.Policies = append(out.Policies, p)
	}
	return out, nil
}

func other(d Direction) Direction {
	if d == In {
		return Out
	}
	return In
}

// turned swaps -in and -out at the end of a name.
func turned(name string) string {
	if rest, ok := strings.CutSuffix(name, "-in"); ok {
		return rest + "-out"
	}
	if rest, ok := strings.CutSuffix(name, "-out"); ok {
		return rest + "-in"
	}
	return name
}
