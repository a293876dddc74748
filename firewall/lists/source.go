package lists

import (
	"context"
	"time"
)

// List is one list of the firewall as far as it comes from elsewhere. It holds
// what all of its sources give.
type List struct {
	ID string
	// Names are host names.
	Names []string
	// URLs of texts, http or https; each is fetched again after Refresh, which is
	// MinRefresh at least and DefaultRefresh when it is zero.
	URLs    []string
	Refresh time.Duration
	// Countries are codes of ISO 3166-1, as in "NL".
	Countries []string
}

// How often a URL is fetched.
const (
	MinRefresh     = 5 * time.Minute
	DefaultRefresh = 24 * time.Hour
)

// Kind is what a part of a list is.
type Kind string

// The kinds.
const (
	Name    Kind = "name"
	URL     Kind = "url"
	Country Kind = "country"
)

// source is one name, URL or country; lists that have the same one share it.
type source struct {
	kind Kind
	from string
}

func (l List) sources() []source {
	var out []source
	for _, n := range l.Names {
		out = append(out, source{Name, n})
	}
	for _, u := range l.URLs {
		out = append(out, source{URL, u})
	}
	for _, c := range l.Countries {
		out = append(out, source{Country, c})
	}
	return out
}

// resolver looks up the addresses of one family of a name; *Resolver does it.
type resolver interface {
	Lookup(ctx context.Context, name string, v6 bool) ([]Answer, error)
}

// fetcher fetches a URL unless it is still of that version; *Fetcher does it.
type fetcher interface {
	Fetch(ctx context.Context, url string, had Version) (Download, error)
}

// Fault is why a source gave nothing, as a sentence for an admin.
type Fault struct {
	Message string
	Err     error // may be nil
}

func (f Fault) Error() string {
	if f.Err == nil {
		return f.Message
	}
	return f.Message + " (" + f.Err.Error() + ")"
}

func (f Fault) Unwrap() error { return f.Err }
