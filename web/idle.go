package web

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"gatehouse/store"
)

// idleChoice is a number of days in which nothing matched.
type idleChoice struct {
	Days    int
	Now     bool // it is what the page shows
	Address string
}

// idleFor are the choices; the longest is what a review tells by itself.
var idleFor = []int{30, 90}

const day = 24 * time.Hour

func idleChoices(path string, now int) (out []idleChoice) {
	for _, days := range idleFor {
		out = append(out, idleChoice{days, days == now, path + "?" + url.Values{"idle": {strconv.Itoa(days)}}.Encode()})
	}
	return out
}

// idleDays reads for how many days nothing must have matched; 0 for all.
func idleDays(q url.Values) int {
	days, err := strconv.Atoi(q.Get("idle"))
	if err != nil || days < 1 || days > 400 {
		return 0
	}
	return days
}

// decides says of a kind whether its objects have counters.
func decides(kind string) bool { return kind == "rule" || kind == "forward" }

// counts are what rules and forwards matched so far, in words.
func (s *server) counts(counted map[string]store.RuleCounter) map[string]string {
	out := map[string]string{}
	now := s.Now()
	for name, c := range counted {
		idle := ""
		if days := int(c.Idle(now) / day); days >= idleFor[0] {
			idle = fmt.Sprintf("; nothing for %d days", days)
		}
		switch {
		case c.Packets > 0:
			out[name] = fmt.Sprintf("%s, last %s ago%s", plural(int(c.Packets), "time"), ago(now, c.Hit), idle)
		case !c.Since.IsZero():
			out[name] = "never, in " + ago(now, c.Since) + idle
		}
	}
	return out
}

// listed are the rows of a list, or only the idle ones of it.
func (s *server) listed(ctx context.Context, kind, query string, idle int, counted map[string]store.RuleCounter, offset, limit int) ([]store.Row, int, error) {
	if idle == 0 {
		return s.Store.Objects(ctx, kind, query, offset, limit)
	}
	all, err := s.idle(ctx, kind, query, idle, counted)
	if err != nil {
		return nil, 0, err
	}
	from := min(offset, len(all))
	return all[from:min(from+limit, len(all))], len(all), nil
}

// idle are the objects that are switched on and that nothing matched for some
// days.
func (s *server) idle(ctx context.Context, kind, query string, days int, counted map[string]store.RuleCounter) (out []store.Row, err error) {
	const part = 1000
	for offset := 0; ; offset += part {
		rows, total, err := s.Store.Objects(ctx, kind, query, offset, part)
		if err != nil {
			return nil, err
		}
		out = append(out, slices.DeleteFunc(rows, func(row store.Row) bool {
			return row.Off || counted[row.Name].Idle(s.Now()) < time.Duration(days)*day
		})...)
		if offset+part >= total {
			return out, nil
		}
	}
}

// idleRule is a rule or forward that a review of the firewall names.
type idleRule struct{ Name, Address, Says string }

// idleShown is how many are named in a review; the list has all.
const idleShown = 20

// idleRules are what nothing matched for the longest of the choices.
func (s *server) idleRules(r *http.Request) (out []idleRule) {
	counted, err := s.Gateway.Counted(r.Context())
	if err != nil {
		s.Log.Error("cannot read the counters", "err", err)
		return nil
	}
	says := s.counts(counted)
	for _, kind := range []struct{ name, plural string }{{"rule", "rules"}, {"forward", "forwards"}} {
		rows, err := s.idle(r.Context(), kind.name, "", slices.Max(idleFor), counted)
		if err != nil {
			s.Log.Error("cannot list rules", "err", err)
			return out
		}
		for _, row := range rows[:min(len(rows), idleShown)] {
			out = append(out, idleRule{row.Name, editing(kind.plural, row.Name), says[row.Name]})
		}
	}
	return out
}

// apiMatched is what a rule or forward decided, in lists of the API.
type apiMatched struct {
	Packets uint64    `json:"packets"`
	Bytes   uint64    `json:"bytes"`
	Last    time.Time `json:"last,omitzero"`
	Since   time.Time `json:"since,omitzero"` // as it is
	// IdleDays is for how many whole days nothing matched it.
	IdleDays int `json:"idle_days"`
}

func matchedOf(c store.RuleCounter, now time.Time) *apiMatched {
	return &apiMatched{Packets: c.Packets, Bytes: c.Bytes, Last: c.Hit, Since: c.Since, IdleDays: int(c.Idle(now) / day)}
}
