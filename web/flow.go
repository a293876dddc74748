package web

import (
	"context"
	"fmt"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"gatehouse/store"
)

// flowReader is what passes through the gateway now.
type flowReader interface {
	// Connections gives a part of those that pass the filter; total is how many
	// do.
	Connections(ctx context.Context, f ConnectionFilter, o Ordering, offset, limit int) (found []Connection, total int, err error)
	// EndConnections ends those that pass the filter, and says how many there
	// were. It stands in the audit log.
	EndConnections(ctx context.Context, f ConnectionFilter) (int, error)
	// Talkers are the hosts inside that moved most in a time up to now, at most
	// an hour.
	Talkers(window time.Duration, limit int) Talkers
}

// Connection is one that is open now.
type Connection struct {
	ID       string `json:"id"` // names it among those that are open
	Protocol string `json:"protocol"`
	From     Party  `json:"from"`
	To       Party  `json:"to"` // as it was asked for
	// Led is where it was led to, if that is elsewhere; Seen is the source that
	// the other side sees, if that is another one.
	Led  *Party         `json:"led,omitempty"`
	Seen netip.AddrPort `json:"seen,omitzero"`
	// Sent and Received are bytes, seen from From.
	Sent     uint64    `json:"sent"`
	Received uint64    `json:"received"`
	Began    time.Time `json:"began,omitzero"`
	Answered bool      `json:"answered"`
	// Rule decides about it by the rules in force; empty if the zones do, or
	// if it is the gateway's own. Action is allow, drop or reject.
	Rule   string `json:"rule,omitempty"`
	Action string `json:"action"`
}

// Branch is behind whose tunnel one of its ends is; empty for none.
func (c Connection) Branch() string {
	if c.From.Branch != "" {
		return c.From.Branch
	}
	return c.To.Branch
}

// ConnectionFilter says which are meant; zero fields mean any.
type ConnectionFilter struct {
	ID       string
	Zone     string // of either side
	Protocol string
	Port     uint16 // of either side
	// Network is where one side is; or Host is its name.
	Network netip.Prefix
	Host    string
}

// ParseConnectionFilter reads one from a query: id, zone, protocol, port, and
// host, which is an address, a network or a host's name.
func ParseConnectionFilter(q url.Values) (ConnectionFilter, error) {
	f := ConnectionFilter{ID: q.Get("id"), Zone: q.Get("zone"), Protocol: strings.ToLower(strings.TrimSpace(q.Get("protocol")))}
	var found store.ValidationError
	var err error
	if f.Port, err = parsePort(q.Get("port")); err != nil {
		found = append(found, store.FieldError{Field: "port", Code: "range", Message: capital(err.Error()) + "."})
	}
	if f.Network, f.Host, err = parseWhere(q.Get("host")); err != nil {
		found = append(found, store.FieldError{Field: "host", Code: "format", Message: capital(err.Error()) + "."})
	}
	if found != nil {
		return f, found
	}
	return f, nil
}

// ParseEnding reads which connections are to be ended: one by its id, or those
// of a host. All of a network at once, or all, are not on offer.
func ParseEnding(q url.Values) (ConnectionFilter, error) {
	f, err := ParseConnectionFilter(url.Values{"id": {q.Get("id")}, "host": {q.Get("host")}})
	if err != nil {
		return f, err
	}
	if (f.ID == "") == (f.Host == "" && !f.Network.IsValid()) || f.Network.IsValid() && !f.Network.IsSingleIP() {
		return f, store.ValidationError{{Field: "host", Code: "required", Message: "Name one connection or one host."}}
	}
	return f, nil
}

// Whose is the host of a filter, as it was named.
func (f ConnectionFilter) Whose() string {
	if f.Network.IsValid() {
		return f.Network.Addr().String()
	}
	return f.Host
}

// Matches says whether a connection is meant.
func (f ConnectionFilter) Matches(c Connection) bool {
	sides := []Party{c.From, c.To}
	if c.Led != nil {
		sides = append(sides, *c.Led)
	}
	zone, port, place := f.Zone == "", f.Port == 0, f.Network.IsValid() && f.Network.Contains(c.Seen.Addr()) && f.Host == ""
	for _, p := range sides {
		zone = zone || f.Zone == p.Zone
		port = port || f.Port == p.Port
		place = place || isAt(p, f.Network, f.Host)
	}
	return (f.ID == "" || f.ID == c.ID) && (f.Protocol == "" || f.Protocol == c.Protocol) && zone && port && place
}

// Ordering is what connections are sorted by, the largest first.
type Ordering string

// The orderings.
const (
	ByVolume Ordering = "volume" // bytes both ways
	ByStart  Ordering = "start"  // the newest first
	ByAge    Ordering = "age"    // the oldest first
)

func orderingOf(text string) Ordering {
	switch o := Ordering(text); o {
	case ByStart, ByAge:
		return o
	}
	return ByVolume
}

// Talkers are hosts by the bytes that they moved.
type Talkers struct {
	Hosts []Talker `json:"hosts"`
	// Others is what all other hosts moved.
	Others Moved `json:"others"`
	// Seconds is over how long; less than asked for after a start.
	Seconds float64 `json:"seconds"`
}

// Talker is one host.
type Talker struct {
	Party
	Moved
}

// Moved counts bytes, seen from the host.
type Moved struct {
	Sent     uint64 `json:"sent"`
	Received uint64 `json:"received"`
}

// Together is both.
func (m Moved) Together() uint64 { return m.Sent + m.Received }

// Rate is a number of bytes as bits a second.
func (t Talkers) Rate(bytes uint64) string {
	if t.Seconds < 1 {
		return "–"
	}
	bits, units, i := float64(bytes)*8/t.Seconds, []string{"bit/s", "kbit/s", "Mbit/s", "Gbit/s"}, 0
	for bits >= 1000 && i < len(units)-1 {
		bits, i = bits/1000, i+1
	}
	if i == 0 {
		return fmt.Sprintf("%.0f %s", bits, units[i])
	}
	return fmt.Sprintf("%.1f %s", bits, units[i])
}
