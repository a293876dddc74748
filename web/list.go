package web

import (
	"context"
	"io"
	"strings"
	"time"

	"gatehouse/store"
)

// listKeeper is what the pages need of the lists in force that come from
// elsewhere.
type listKeeper interface {
	// ListSources says how each source of a list is; false if no list of that
	// name is in force.
	ListSources(name string) ([]ListSource, bool)
	// FetchedEntries gives a part of what a list holds beside its entries: what
	// meets a range, or all if that is the zero one. Total says how much there is.
	FetchedEntries(name string, meets store.AddressRange, offset, limit int) (found []store.AddressRange, total int)
	// FetchList fetches a list now; false if none of that name is in force.
	FetchList(name string) bool
	countryKeeper
}

// countryKeeper keeps the file that says which networks are in which country.
type countryKeeper interface {
	CountryFile() CountryFile
	// GiveCountryFile replaces it. What is wrong with the file is a
	// store.ValidationError.
	GiveCountryFile(ctx context.Context, from io.Reader) error
}

// ListSource is how one source of a list is.
type ListSource struct {
	Kind string `json:"kind"` // name, url or country
	From string `json:"from"`
	// Entries are those of the last good content.
	Entries int       `json:"entries"`
	Fetched time.Time `json:"fetched,omitzero"` // when that was last known to be right
	Next    time.Time `json:"next,omitzero"`
	// Fetching says that it is being fetched now.
	Fetching bool `json:"fetching,omitempty"`
	// Problem says why there is no newer content, since Failing.
	Problem string    `json:"problem,omitempty"`
	Failing time.Time `json:"failing,omitzero"`
	// Wrong are lines of a text that are no addresses; FirstWrong shows some.
	Wrong      int      `json:"wrong,omitempty"`
	FirstWrong []string `json:"first_wrong,omitempty"`
	// Addresses are those of a host name.
	Addresses []string `json:"addresses,omitempty"`
}

// CountryFile is the file of countries.
type CountryFile struct {
	Kind      string    `json:"kind"` // what it calls itself; empty: there is none
	Built     time.Time `json:"built,omitzero"`
	Given     time.Time `json:"given,omitzero"`
	Size      int64     `json:"size"` // bytes
	Countries []string  `json:"countries"`
}

// Bytes is the size for a page.
func (f CountryFile) Bytes() uint64 { return uint64(f.Size) }

// Credit is what the maker of the file wants to be said where it is used; empty
// if that is not known.
func (f CountryFile) Credit() string {
	switch kind := strings.ToLower(f.Kind); {
	case strings.HasPrefix(kind, "geolite2"):
		return "This product includes GeoLite2 data created by MaxMind, available from www.maxmind.com."
	case strings.HasPrefix(kind, "dbip"):
		return "IP geolocation by DB-IP (db-ip.com)."
	}
	return ""
}
