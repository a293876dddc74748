package store

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
)

// Network says what a rule is about: a fixed network, or with Interface one that
// follows the IPv6 prefix of that interface, whatever the provider makes of it.
// As a text it is 10.1.0.0/24; office+::80 is the host ::80 behind each prefix of
// the interface office, and office+::/64 is that prefix itself.
type Network struct {
	Interface string
	// Prefix is the network, or the part behind the interface's prefix.
	Prefix netip.Prefix
}

// Target is the host of a port forward: a fixed address, or with Interface one
// that follows that interface's IPv6 prefix, as in office+::80.
type Target struct {
	Interface string
	// Addr is the address, or the part behind the interface's prefix.
	Addr netip.Addr
}

// Fixed is a network that follows nothing.
func Fixed(p netip.Prefix) Network { return Network{Prefix: p} }

// ParseNetwork reads one of the three forms.
func ParseNetwork(s string) (n Network, err error) {
	var behind string
	var follows bool
	if n.Interface, behind, follows = strings.Cut(s, "+"); !follows {
		n.Interface, behind = "", s
	}
	switch {
	case follows && !strings.Contains(behind, "/"):
		var a netip.Addr
		if a, err = netip.ParseAddr(behind); err == nil && a.Zone() == "" {
			n.Prefix = netip.PrefixFrom(a, a.BitLen())
		}
	default:
		n.Prefix, err = netip.ParsePrefix(behind)
	}
	if err == nil && follows {
		err = behindPrefix(n.Interface, n.Prefix.Addr())
	}
	if err != nil {
		return Network{}, err
	}
	return n, nil
}

// ParseTarget reads an address, or office+::80.
func ParseTarget(s string) (t Target, err error) {
	var behind string
	var follows bool
	if t.Interface, behind, follows = strings.Cut(s, "+"); !follows {
		t.Interface, behind = "", s
	}
	if t.Addr, err = netip.ParseAddr(behind); err == nil && follows {
		err = behindPrefix(t.Interface, t.Addr)
	}
	if err != nil {
		return Target{}, err
	}
	return t, nil
}

// behindPrefix refuses what is no name of an interface with the rest of an
// IPv6 address.
func behindPrefix(name string, rest netip.Addr) error {
	if !namePattern.MatchString(name) {
		return fmt.Errorf("%q is not the name of an interface", name)
	}
	if !rest.Is6() || rest.Is4In6() || rest.Zone() != "" {
		return errors.New("what follows an interface's prefix is the end of an IPv6 address")
	}
	return nil
}

// String is the canonical form; empty for the zero value.
func (n Network) String() string {
	switch {
	case !n.Prefix.IsValid():
		return ""
	case n.Interface == "":
		return n.Prefix.String()
	case n.Prefix.IsSingleIP():
		return n.Interface + "+" + n.Prefix.Addr().String()
	}
	return n.Interface + "+" + n.Prefix.String()
}

// String is the canonical form; empty for the zero value.
func (t Target) String() string {
	switch {
	case !t.Addr.IsValid():
		return ""
	case t.Interface == "":
		return t.Addr.String()
	}
	return t.Interface + "+" + t.Addr.String()
}

// MarshalText gives the canonical form.
func (n Network) MarshalText() ([]byte, error) { return []byte(n.String()), nil }

// MarshalText gives the canonical form.
func (t Target) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// UnmarshalText reads one of the forms.
func (n *Network) UnmarshalText(text []byte) (err error) {
	*n, err = ParseNetwork(string(text))
	return err
}

// UnmarshalText reads one of the forms.
func (t *Target) UnmarshalText(text []byte) (err error) {
	*t, err = ParseTarget(string(text))
	return err
}

// IsZero leaves an empty one out of the JSON.
func (n Network) IsZero() bool { return n == Network{} }

// Is4 says that only IPv4 is meant.
func (n Network) Is4() bool { return n.Prefix.Addr().Is4() }

// Within are the networks that n is with the prefixes that its interface has.
// A prefix that leaves no room for it has none.
func (n Network) Within(prefixes []netip.Prefix) []netip.Prefix {
	if n.Interface == "" {
		return []netip.Prefix{n.Prefix}
	}
	var out []netip.Prefix
	for _, p := range prefixes {
		if fits(n.Prefix, p) {
			out = append(out, netip.PrefixFrom(behind(p, n.Prefix.Addr()), n.Prefix.Bits()))
		}
	}
	return out
}

// Within are the addresses that t is with the prefixes that its interface has.
func (t Target) Within(prefixes []netip.Prefix) []netip.Addr {
	if t.Interface == "" {
		return []netip.Addr{t.Addr}
	}
	var out []netip.Addr
	for _, p := range (Network{t.Interface, netip.PrefixFrom(t.Addr, t.Addr.BitLen())}).Within(prefixes) {
		out = append(out, p.Addr())
	}
	return out
}

// fits says whether a prefix leaves room for what is behind it.
func fits(rest, p netip.Prefix) bool {
	return p.Addr().Is6() && rest.Bits() >= p.Bits() && netip.PrefixFrom(rest.Addr(), p.Bits()).Masked().Addr().IsUnspecified()
}

// behind is the address in a prefix that ends in rest.
func behind(p netip.Prefix, rest netip.Addr) netip.Addr {
	out, front := rest.As16(), p.Masked().Addr().As16()
	for i := range out {
		out[i] |= front[i]
	}
	return netip.AddrFrom16(out)
}
