package lists

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/netip"
	"testing"

	"github.com/maxmind/mmdbwriter/mmdbtype"

	"gatehouse/firewall"
)

// full is a Keeper with lists of n entries each, as after a start.
func full(b *testing.B, n int, urls ...string) *Keeper {
	b.Helper()
	dir := b.TempDir()
	for i, url := range urls {
		text := must(Parse(bytes.NewReader(long(n))))
		for j := range text.Ranges {
			// The lists are beside one another.
			a := text.Ranges[j].First.As4()
			a[3] += byte(2 * i)
			text.Ranges[j] = firewall.Range{First: netip.AddrFrom4(a), Last: netip.AddrFrom4(a)}
		}
		if err := (copies{dir}).put(label{URL: url}, text.Ranges); err != nil {
			b.Fatal(err)
		}
	}
	return New(Options{Dir: dir, Log: slog.New(slog.DiscardHandler)})
}

func BenchmarkReadCopyOf300000(b *testing.B) {
	k := full(b, 300_000, "one")
	b.ReportAllocs()
	for b.Loop() {
		if _, all, err := k.copies.get("one"); err != nil || len(all) != 300_000 {
			b.Fatal(len(all), err)
		}
	}
}

func BenchmarkSearchOf100000(b *testing.B) {
	for _, urls := range [][]string{{"one"}, {"one", "two"}} {
		b.Run(fmt.Sprintf("%d sources", len(urls)), func(b *testing.B) {
			k := full(b, 100_000/len(urls), urls...)
			a := netip.MustParseAddr("11.0.7.7")
			for b.Loop() {
				if _, total := k.Entries(List{URLs: urls}, firewall.Range{First: a, Last: a}, 0, 50); total != 1 {
					b.Fatal(total)
				}
			}
		})
	}
}

// BenchmarkCountries reads a file with as many networks as a free one has.
func BenchmarkCountries(b *testing.B) {
	var all []placed
	countries := []string{"NL", "DE", "FR", "US"}
	for i := range 300_000 {
		p := netip.PrefixFrom(netip.AddrFrom4([4]byte{byte(11 + i>>16), byte(i >> 8), byte(i), 0}), 24)
		all = append(all, placed{p.String(), mmdbtype.DataType(inCountry(countries[i*7%4]))})
	}
	file := mmdb(b, 6, all...)
	b.SetBytes(int64(len(file)))
	var c *Countries
	for b.Loop() {
		var err error
		if c, err = readBytes(b, file); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(len(c.v4)), "stretches")
}
