package lists

import (
	"bytes"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/maxmind/mmdbwriter"
	"github.com/maxmind/mmdbwriter/mmdbtype"
	"github.com/oschwald/maxminddb-golang/v2"
)

// placed is a network and the record of it.
type placed struct {
	network string
	record  mmdbtype.DataType
}

func isoCode(code string) mmdbtype.DataType { return mmdbtype.Map{"iso_code": mmdbtype.String(code)} }

func inCountry(code string) mmdbtype.Map { return mmdbtype.Map{"country": isoCode(code)} }

// mmdb makes a file as MaxMind does.
func mmdb(t testing.TB, version int, all ...placed) []byte {
	t.Helper()
	w, err := mmdbwriter.New(mmdbwriter.Options{
		DatabaseType: "Test-Country", Description: map[string]string{"en": "made by a test"}, IPVersion: version, RecordSize: 24, BuildEpoch: 1_700_000_000, IncludeReservedNetworks: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range all {
		_, network, err := net.ParseCIDR(p.network)
		if err == nil {
			err = w.Insert(network, p.record)
		}
		if err != nil {
			t.Fatal(p.network, err)
		}
	}
	var b bytes.Buffer
	if _, err := w.WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// someCountries are two countries that touch, one in pieces, and records as
// others than MaxMind write them.
func someCountries(t testing.TB, version int) []byte {
	all := []placed{
		{"192.0.2.0/25", inCountry("NL")},
		{"192.0.2.128/25", inCountry("DE")},
		{"198.51.100.0/24", inCountry("NL")},
		{"203.0.113.0/26", mmdbtype.Map{"registered_country": isoCode("FR")}},
		{"203.0.113.64/26", mmdbtype.Map{"country": mmdbtype.String("be")}},
		{"203.0.113.128/26", mmdbtype.Map{"country_code": mmdbtype.String("CH")}},
		{"203.0.113.192/26", mmdbtype.Map{"continent": mmdbtype.String("EU")}},
		{"255.255.255.0/24", inCountry("US")},
	}
	if version == 6 {
		all = append(all, placed{"2001:db8::/33", inCountry("NL")}, placed{"2001:db8:8000::/34", inCountry("DE")}, placed{"ffff::/16", inCountry("US")})
	}
	return mmdb(t, version, all...)
}

func readBytes(t testing.TB, file []byte) (*Countries, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "country.mmdb")
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
	return ReadCountries(path)
}

func TestCountriesOfAddresses(t *testing.T) {
	for _, version := range []int{4, 6} {
		c, err := readBytes(t, someCountries(t, version))
		if err != nil {
			t.Fatal(err)
		}
		rows := map[string]string{
			"192.0.2.0": "NL", "192.0.2.127": "NL", "192.0.2.128": "DE", "192.0.2.255": "DE", "192.0.3.0": "", "192.0.1.255": "",
			"198.51.100.9": "NL", "203.0.113.1": "FR", "203.0.113.65": "BE", "203.0.113.129": "CH", "203.0.113.200": "",
			"0.0.0.0": "", "255.255.255.255": "US", "::ffff:192.0.2.1": "NL", "2001:db8:c000::1": "", "::1": "", "2002:c000:0201::1": "",
		}
		if version == 6 {
			rows["2001:db8::1"], rows["2001:db8:8000::1"], rows["ffff:ffff::"] = "NL", "DE", "US"
		}
		for address, want := range rows {
			if got := c.Country(netip.MustParseAddr(address)); got != want {
				t.Errorf("IPv%d file: %s is in %q, want %q", version, address, got, want)
			}
		}
		if c.Kind() != "Test-Country" || c.Built().Unix() != 1_700_000_000 || !slices.Equal(c.Names(), []string{"BE", "CH", "DE", "FR", "NL", "US"}) {
			t.Errorf("the file is %q of %v and knows %v", c.Kind(), c.Built(), c.Names())
		}
	}
}

func TestRangesOfCountries(t *testing.T) {
	c, err := readBytes(t, someCountries(t, 6))
	if err != nil {
		t.Fatal(err)
	}
	rows := []struct {
		codes []string
		want  string
	}{
		{[]string{"NL"}, "192.0.2.0/25 198.51.100.0/24 2001:db8::/33"},
		{[]string{"NL", "DE"}, "192.0.2.0/24 198.51.100.0/24 2001:db8::-2001:db8:bfff:ffff:ffff:ffff:ffff:ffff"},
		{[]string{"US"}, "255.255.255.0/24 ffff::/16"},
		{[]string{"AQ", "nl", "", "NLD"}, ""},
	}
	for _, row := range rows {
		if got := spelled(c.Ranges(row.codes...)); got != row.want {
			t.Errorf("%v have %q, want %q", row.codes, got, row.want)
		}
	}
	var none *Countries
	if none.Country(netip.MustParseAddr("192.0.2.1")) != "" || none.Ranges("NL") != nil || none.Kind() != "" || none.Names() != nil || !none.Built().IsZero() {
		t.Error("without a file something is known")
	}
}

func TestAFileThatIsNotOneOfCountriesIsRefused(t *testing.T) {
	good := someCountries(t, 6)
	rows := map[string][]byte{
		"empty":             {},
		"a text":            []byte("192.0.2.1\n"),
		"cut in front":      good[len(good)/2:],
		"cut behind":        good[:len(good)/2],
		"of something else": mmdb(t, 6, placed{"192.0.2.0/24", mmdbtype.Map{"autonomous_system_number": mmdbtype.Uint32(64500)}}),
		"of nothing":        mmdb(t, 6),
	}
	for name, file := range rows {
		if _, err := readBytes(t, file); err == nil {
			t.Errorf("a file %s was read", name)
		}
	}
	if _, err := readBytes(t, shared(t)); err == nil || !strings.Contains(err.Error(), "no end") {
		t.Errorf("a tree without an end: %v", err)
	}
	if _, err := ReadCountries(filepath.Join(t.TempDir(), "missing")); !os.IsNotExist(err) {
		t.Errorf("a file that is not there: %v", err)
	}
}

// shared is a file whose tree has 120 nodes, each leading to the next one on
// both sides: 2^120 networks, all empty.
func shared(t testing.TB) []byte {
	const nodes = 120
	w := someCountries(t, 6)
	_, metadata, _ := bytes.Cut(w, []byte("\xab\xcd\xefMaxMind.com"))
	r, err := maxminddb.OpenBytes(w)
	if err != nil {
		t.Fatal(err)
	}
	var b []byte
	for i := range nodes {
		next := byte(i + 1)
		b = append(b, 0, 0, next, 0, 0, next)
	}
	b = append(b, make([]byte, 16)...)
	b = append(b, "\xab\xcd\xefMaxMind.com"...)
	// node_count is a uint16 or uint32 behind its name.
	at := bytes.Index(metadata, []byte("node_count")) + len("node_count")
	size := int(metadata[at] & 0x1f)
	metadata = bytes.Clone(metadata)
	if r.Metadata.NodeCount < nodes {
		t.Fatal("the sample is too small")
	}
	for i := range size {
		metadata[at+1+i] = 0
	}
	metadata[at+size] = nodes
	return append(b, metadata...)
}

func FuzzCountries(f *testing.F) {
	f.Add(someCountries(f, 4))
	f.Add(someCountries(f, 6))
	f.Add(shared(f))
	f.Fuzz(func(t *testing.T, file []byte) {
		r, err := maxminddb.OpenBytes(file)
		if err != nil {
			return
		}
		c, err := countriesOf(r)
		if err != nil {
			return
		}
		for _, name := range c.Names() {
			for _, covered := range c.Ranges(name) {
				if c.Country(covered.First) != name || c.Country(covered.Last) != name {
					t.Fatalf("%v of %s is in %q and %q", covered, name, c.Country(covered.First), c.Country(covered.Last))
				}
			}
		}
	})
}
