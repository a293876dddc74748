package lists

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/oschwald/maxminddb-golang/v2"

	"gatehouse/firewall"
)

// MaxCountryFile bounds a file of countries, in bytes. MaxMind's with the
// countries alone has 10 MB, with the cities 70 MB.
const MaxCountryFile = 128 << 20

// Countries knows which country an address is in. It holds 8 bytes for each
// stretch of IPv4 addresses of one country and 24 for one of IPv6, and nothing
// of the file. The nil *Countries knows none.
type Countries struct {
	kind  string
	built time.Time
	v4    []stretch4
	v6    []stretch6
}

// A stretch reaches to the next one.
type stretch4 struct {
	first uint32
	in    country
}

type stretch6 struct {
	high, low uint64
	in        country
}

// country is the two letters of ISO 3166-1; 0 is none.
type country uint16

func (c country) String() string {
	if c == 0 {
		return ""
	}
	return string([]byte{byte(c >> 8), byte(c)})
}

func parseCountry(s string) (country, bool) {
	if len(s) != 2 || s[0] < 'A' || s[0] > 'Z' || s[1] < 'A' || s[1] > 'Z' {
		return 0, false
	}
	return country(s[0])<<8 | country(s[1]), true
}

// ReadCountries reads a MaxMind DB file whose records name a country. The file
// is checked whole, because anybody may have made it.
func ReadCountries(path string) (*Countries, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	// Mapped memory that cannot be read kills the process; a read says so.
	n, err := io.Copy(io.Discard, io.LimitReader(f, MaxCountryFile+1))
	if err != nil {
		return nil, err
	}
	if n > MaxCountryFile {
		return nil, fmt.Errorf("the file is larger than %d MiB", MaxCountryFile>>20)
	}
	r, err := maxminddb.Open(path)
	if err != nil {
		return nil, fmt.Errorf("not a MaxMind DB file: %w", err)
	}
	defer r.Close()
	return countriesOf(r)
}

func countriesOf(r *maxminddb.Reader) (*Countries, error) {
	if err := r.Verify(); err != nil {
		return nil, fmt.Errorf("the file is damaged: %w", err)
	}
	c := &Countries{kind: r.Metadata.DatabaseType, built: r.Metadata.BuildTime()}
	known := map[uintptr]country{}
	// A tree of n nodes ends in n+1 networks, and IPv4 may hang in it four times.
	// One that shares more branches can end in more than a lifetime can count, and
	// only who is shown all of them can stop.
	left := 8 * (uint64(r.Metadata.NodeCount) + 1)
	var at4, at6 netip.Addr // the first address that no network was found for
	at4, at6 = netip.IPv4Unspecified(), netip.IPv6Unspecified()
	for network := range r.Networks(maxminddb.IncludeNetworksWithoutData(), maxminddb.IncludeAliasedNetworks()) {
		if err := network.Err(); err != nil {
			return nil, fmt.Errorf("the file is damaged: %w", err)
		}
		if left--; left == 0 {
			return nil, errors.New("the file is damaged: its networks have no end")
		}
		covered := firewall.RangeOf(network.Prefix())
		if isAlias(covered.First) {
			continue
		}
		var in country
		if network.Found() {
			var seen bool
			if in, seen = known[network.Offset()]; !seen {
				in = countryOf(network)
				known[network.Offset()] = in
			}
		}
		next := &at6
		if covered.First.Is4() {
			next = &at4
		}
		if !next.IsValid() || covered.First.Less(*next) {
			return nil, errors.New("the file is damaged: its networks are not in order")
		}
		if next.Less(covered.First) {
			c.add(*next, 0)
		}
		c.add(covered.First, in)
		*next = covered.Last.Next()
	}
	for _, rest := range []netip.Addr{at4, at6} {
		if rest.IsValid() {
			c.add(rest, 0)
		}
	}
	if len(c.v4)+len(c.v6) == 0 {
		return nil, fmt.Errorf("the file (%s) names no countries", c.kind)
	}
	c.v4, c.v6 = slices.Clip(c.v4), slices.Clip(c.v6)
	return c, nil
}

// aliases are where such files repeat what they say of IPv4: mapped addresses,
// 6to4 and Teredo.
var aliases = []netip.Prefix{netip.MustParsePrefix("::ffff:0:0/96"), netip.MustParsePrefix("2002::/16"), netip.MustParsePrefix("2001::/32")}

func isAlias(a netip.Addr) bool {
	return slices.ContainsFunc(aliases, func(p netip.Prefix) bool { return p.Contains(a) })
}

// countryOf finds the country where the makers of such files write it: where
// the addresses are used or, failing that, registered.
func countryOf(record maxminddb.Result) country {
	for _, path := range [][]any{{"country", "iso_code"}, {"registered_country", "iso_code"}, {"country"}, {"country_code"}} {
		var code string
		if err := record.DecodePath(&code, path...); err == nil {
			if c, ok := parseCountry(strings.ToUpper(code)); ok {
				return c
			}
		}
	}
	return 0
}

// add begins a stretch behind the others.
func (c *Countries) add(first netip.Addr, in country) {
	if first.Is4() {
		if n := len(c.v4); n == 0 && in != 0 || n > 0 && c.v4[n-1].in != in {
			c.v4 = append(c.v4, stretch4{key4(first), in})
		}
		return
	}
	if n := len(c.v6); n == 0 && in != 0 || n > 0 && c.v6[n-1].in != in {
		high, low := key6(first)
		c.v6 = append(c.v6, stretch6{high, low, in})
	}
}

func key4(a netip.Addr) uint32 { b := a.As4(); return binary.BigEndian.Uint32(b[:]) }

func key6(a netip.Addr) (high, low uint64) {
	b := a.As16()
	return binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:])
}

func (s stretch4) start() netip.Addr {
	return netip.AddrFrom4([4]byte(binary.BigEndian.AppendUint32(nil, s.first)))
}

func (s stretch6) start() netip.Addr {
	return netip.AddrFrom16([16]byte(binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, s.high), s.low)))
}

// Country is where an address is, as the two letters of ISO 3166-1 ("NL");
// empty if that is not known.
func (c *Countries) Country(a netip.Addr) string {
	if a = a.Unmap(); c == nil || !a.IsValid() {
		return ""
	}
	if a.Is4() {
		k := key4(a)
		if i := sort.Search(len(c.v4), func(i int) bool { return c.v4[i].first > k }); i > 0 {
			return c.v4[i-1].in.String()
		}
		return ""
	}
	high, low := key6(a)
	i := sort.Search(len(c.v6), func(i int) bool { s := c.v6[i]; return s.high > high || s.high == high && s.low > low })
	if i > 0 {
		return c.v6[i-1].in.String()
	}
	return ""
}

// Ranges are all addresses of some countries, sorted and joined.
func (c *Countries) Ranges(codes ...string) []firewall.Range {
	if c == nil {
		return nil
	}
	wanted := map[country]bool{}
	for _, code := range codes {
		if w, ok := parseCountry(code); ok {
			wanted[w] = true
		}
	}
	var out []firewall.Range
	for i, s := range c.v4 {
		if wanted[s.in] {
			last := netip.AddrFrom4([4]byte{255, 255, 255, 255})
			if i+1 < len(c.v4) {
				last = c.v4[i+1].start().Prev()
			}
			out = append(out, firewall.Range{First: s.start(), Last: last})
		}
	}
	for i, s := range c.v6 {
		if wanted[s.in] {
			last := firewall.RangeOf(netip.PrefixFrom(netip.IPv6Unspecified(), 0)).Last
			if i+1 < len(c.v6) {
				last = c.v6[i+1].start().Prev()
			}
			out = append(out, firewall.Range{First: s.start(), Last: last})
		}
	}
	return firewall.Join(out)
}

// Names are the countries that have addresses, in order.
func (c *Countries) Names() []string {
	if c == nil {
		return nil
	}
	seen := map[country]bool{}
	for _, s := range c.v4 {
		seen[s.in] = true
	}
	for _, s := range c.v6 {
		seen[s.in] = true
	}
	delete(seen, 0)
	var out []string
	for in := range seen {
		out = append(out, in.String())
	}
	slices.Sort(out)
	return out
}

// Kind is what the file calls itself, as in "GeoLite2-Country".
func (c *Countries) Kind() string {
	if c == nil {
		return ""
	}
	return c.kind
}

// Built is when the file was made; zero without one.
func (c *Countries) Built() time.Time {
	if c == nil {
		return time.Time{}
	}
	return c.built
}
