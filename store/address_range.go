package store

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// AddressRange is an entry of a List: the addresses from First to Last, both
// included and of one family. As a text it is an address, a network
// (10.2.0.0/24) or two addresses with '-' between them; the shortest of these
// is its canonical form.
type AddressRange struct{ First, Last netip.Addr }

// ParseAddressRange reads one of the three forms.
func ParseAddressRange(s string) (AddressRange, error) {
	var r AddressRange
	var err error
	if first, last, ok := strings.Cut(s, "-"); ok {
		if r.First, err = netip.ParseAddr(strings.TrimSpace(first)); err == nil {
			r.Last, err = netip.ParseAddr(strings.TrimSpace(last))
		}
	} else if strings.Contains(s, "/") {
		var p netip.Prefix
		if p, err = netip.ParsePrefix(s); err == nil {
			if p != p.Masked() {
				return AddressRange{}, fmt.Errorf("%s is not a network; did you mean %s?", s, p.Masked())
			}
			r = RangeOf(p)
		}
	} else {
		r.First, err = netip.ParseAddr(s)
		r.Last = r.First
	}
	if err != nil {
		return AddressRange{}, fmt.Errorf("%q is not an address, a network or a range", s)
	}
	if r.First.Zone() != "" || r.First.Is4In6() || r.Last.Zone() != "" || r.Last.Is4In6() {
		return AddressRange{}, fmt.Errorf("%q is not a plain IPv4 or IPv6 address", s)
	}
	if r.First.Is4() != r.Last.Is4() || r.Last.Less(r.First) {
		return AddressRange{}, fmt.Errorf("%q: the first address must be of the last one's family, and not behind it", s)
	}
	return r, nil
}

// RangeOf is all addresses of a network.
func RangeOf(p netip.Prefix) AddressRange { return AddressRange{p.Masked().Addr(), lastOf(p)} }

// lastOf is the highest address of a network.
func lastOf(p netip.Prefix) netip.Addr {
	b := p.Addr().AsSlice()
	for i := p.Bits(); i < len(b)*8; i++ {
		b[i/8] |= 0x80 >> (i % 8)
	}
	a, _ := netip.AddrFromSlice(b)
	return a
}

// String is the canonical form; empty for the zero range.
func (r AddressRange) String() string {
	if r.First == r.Last {
		if !r.First.IsValid() {
			return ""
		}
		return r.First.String()
	}
	if p, ok := r.prefix(); ok {
		return p.String()
	}
	return r.First.String() + "-" + r.Last.String()
}

// prefix is the network that has exactly these addresses, if there is one.
func (r AddressRange) prefix() (netip.Prefix, bool) {
	first, last := r.First.AsSlice(), r.Last.AsSlice()
	bits := 0
	for bits < len(first)*8 && (first[bits/8]^last[bits/8])&(0x80>>(bits%8)) == 0 {
		bits++
	}
	p := netip.PrefixFrom(r.First, bits)
	return p, p == p.Masked() && lastOf(p) == r.Last
}

// MarshalText gives the canonical form.
func (r AddressRange) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText reads one of the three forms.
func (r *AddressRange) UnmarshalText(text []byte) (err error) {
	*r, err = ParseAddressRange(string(text))
	return err
}

// compareRanges orders by the first address, IPv4 first, then by the last.
func compareRanges(a, b AddressRange) int {
	return cmp.Or(a.First.Compare(b.First), a.Last.Compare(b.Last))
}

// sortedRanges is the canonical order, without repetitions. A list that is in
// order already is given back as it is.
func sortedRanges(all []AddressRange) []AddressRange {
	if len(all) == 0 {
		return nil
	}
	inOrder := true
	for i := 1; i < len(all) && inOrder; i++ {
		inOrder = compareRanges(all[i-1], all[i]) < 0
	}
	if inOrder {
		return all
	}
	all = slices.Clone(all)
	slices.SortFunc(all, compareRanges)
	return slices.Compact(all)
}

// compareEntries tells what came and what went between two sorted lists.
func compareEntries(old, new []AddressRange, added, removed func(AddressRange)) {
	for len(old) > 0 || len(new) > 0 {
		switch {
		case len(old) == 0 || len(new) > 0 && compareRanges(new[0], old[0]) < 0:
			added(new[0])
			new = new[1:]
		case len(new) == 0 || compareRanges(old[0], new[0]) < 0:
			removed(old[0])
			old = old[1:]
		default:
			old, new = old[1:], new[1:]
		}
	}
}

// addressKey is an address as bytes that sort like addresses: the family, then
// the address.
func addressKey(a netip.Addr) []byte {
	family := byte(6)
	if a.Is4() {
		family = 4
	}
	return append([]byte{family}, a.AsSlice()...)
}

func addressOfKey(key []byte) (netip.Addr, error) {
	if len(key) == 5 && key[0] == 4 || len(key) == 17 && key[0] == 6 {
		a, _ := netip.AddrFromSlice(key[1:])
		return a, nil
	}
	return netip.Addr{}, errors.New("a stored address is damaged")
}
