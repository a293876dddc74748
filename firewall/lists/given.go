package lists

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// CountryFile is what is known of the file of countries.
type CountryFile struct {
	Kind  string    // what it calls itself; empty: there is none
	Built time.Time // by its maker
	Given time.Time // to this gateway
	Size  int64     // bytes
	// Countries are those that it knows.
	Countries []string
}

// CountryFile says which file of countries is in use.
func (k *Keeper) CountryFile() CountryFile {
	k.readOnce()
	k.mu.Lock()
	defer k.mu.Unlock()
	return CountryFile{k.countries.Kind(), k.countries.Built(), k.given, k.size, k.countries.Names()}
}

// Country is where an address is, as in "NL"; empty if that is not known, or not
// yet: it does not wait for the file to be read.
func (k *Keeper) Country(a netip.Addr) string {
	k.mu.Lock()
	c := k.countries
	k.mu.Unlock()
	return c.Country(a)
}

// GiveCountryFile replaces the file of countries by another one, once that is
// read whole and found good. Lists of countries follow.
func (k *Keeper) GiveCountryFile(ctx context.Context, from io.Reader) error {
	k.readOnce() // or it would come later, and count
	tooLong := Fault{fmt.Sprintf("The file is larger than %d MiB", MaxCountryFile>>20), nil}
	temporary, err := k.copies.temporary(&bounded{from: from, left: MaxCountryFile, over: tooLong})
	if err != nil {
		return err
	}
	c, err := ReadCountries(temporary)
	if err != nil {
		// Of the two errors this is the one that matters.
		_ = os.Remove(temporary)
		return Fault{"This is no file of countries", err}
	}
	path := filepath.Join(k.copies.dir, countryFile)
	if err := k.copies.place(temporary, path); err != nil {
		return err
	}
	ids, err := k.useCountries(path, c)
	if len(ids) > 0 {
		k.tell(ctx, ids)
	}
	return err
}

// needCountries reads the file before lists of countries are asked for. It takes
// a second or two on a small box, which a start without such lists is spared.
func (k *Keeper) needCountries(all ...List) {
	if slices.ContainsFunc(all, func(l List) bool { return len(l.Countries) > 0 }) {
		k.readOnce()
	}
}

func (k *Keeper) readOnce() {
	k.read.Do(func() {
		path := filepath.Join(k.copies.dir, countryFile)
		c, err := ReadCountries(path)
		if err == nil {
			_, err = k.useCountries(path, c)
		}
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			k.Log.Warn("the file of countries cannot be used", "err", err)
		}
	})
}

// useCountries gives the lists in force that have other content now.
func (k *Keeper) useCountries(path string, c *Countries) (changed []string, err error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.countries, k.given, k.size = c, info.ModTime(), info.Size()
	for s, p := range k.parts {
		if s.kind == Country && p.setCountry(c, k.given) {
			changed = append(changed, k.users(s)...)
		}
	}
	slices.Sort(changed)
	return slices.Compact(changed), nil
}

func (p *part) setCountry(c *Countries, given time.Time) (changed bool) {
	all := c.Ranges(p.from)
	switch p.fetched, p.problem = given, ""; {
	case c == nil:
		p.problem = "There is no file of countries yet"
	case len(all) == 0:
		p.problem = "The file of countries has no addresses of it"
	}
	return p.setRanges(all, len(all))
}
