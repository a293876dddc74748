package main

import (
	"context"
	"log/slog"
	"net/netip"
	"path/filepath"
	"slices"
	"time"

	"gatehouse/firewall"
	"gatehouse/firewall/lists"
	"gatehouse/store"
	"gatehouse/web"
)

// listsDir is where copies of lists from elsewhere are, in the data directory.
const listsDir = "lists"

// newKeeper makes what keeps the lists from elsewhere fresh. The firewall follows
// them as it follows users: without an apply, and whatever is on trial.
func (g *gateway) newKeeper(dir string) *lists.Keeper {
	return lists.New(lists.Options{
		Dir: dir, Log: g.log,
		Changed: func(ctx context.Context, ids []string) {
			g.log.Info("lists have other content", "lists", ids)
			g.refresh(ctx)
		},
		Stale: func(ids []string, s lists.Status) {
			for _, id := range ids {
				g.file(store.Event{Time: time.Now(), Severity: "warn", Kind: "firewall", Subject: id,
					Message: "List " + id + " is not fresh: " + s.From + ": " + s.Problem + ". What was fetched before stays in force."})
			}
		},
	})
}

// keepLists keeps the lists of a document fresh, and no others.
func (g *gateway) keepLists(doc store.Document) {
	if g.lists == nil {
		return
	}
	var all []lists.List
	for _, l := range doc.Lists {
		if l.FromElsewhere() {
			all = append(all, sourcesOf(l))
		}
	}
	g.lists.Set(all)
}

// sourcesOf is a list as far as it comes from elsewhere.
func sourcesOf(l store.List) lists.List {
	return lists.List{ID: l.Name, Names: l.Names, URLs: l.URLs, Countries: l.Countries, Refresh: time.Duration(l.RefreshMinutes) * time.Minute}
}

// elsewhere is what a keeper knows of a document's lists; nil without one.
func elsewhere(k *lists.Keeper) func(store.List) []firewall.Range {
	if k == nil {
		return nil
	}
	return func(l store.List) []firewall.Range { return k.Ranges(sourcesOf(l)) }
}

// keptIn is what is known of lists where no gateway runs: the copies of the last
// one.
func keptIn(dir string) world {
	k := lists.New(lists.Options{Dir: filepath.Join(dir, listsDir), Log: slog.New(slog.DiscardHandler)})
	return world{elsewhere: elsewhere(k)}
}

// list is what a list of a document holds now; following are the networks of its
// entries that follow a prefix.
func (now world) list(l store.List, following []netip.Prefix) firewall.List {
	out := firewall.List{ID: l.Name, Live: l.FromElsewhere()}
	var found []firewall.Range
	if out.Live && now.elsewhere != nil {
		found = now.elsewhere(l)
	}
	if len(l.Entries)+len(following) == 0 {
		out.Ranges = found
		return out
	}
	out.Ranges = make([]firewall.Range, len(l.Entries), len(l.Entries)+len(following)+len(found))
	for i, r := range l.Entries {
		out.Ranges[i] = firewall.Range(r)
	}
	for _, n := range following {
		out.Ranges = append(out.Ranges, firewall.RangeOf(n))
	}
	if len(found) > 0 {
		out.Ranges = firewall.Join(append(out.Ranges, found...))
	}
	return out
}

// lasting are the new lists as connections are judged by that run already. An
// address that a name has no more has lost nobody's trust: a long download from
// there goes on.
func lasting(doc store.Document, before, after []firewall.List) []firewall.List {
	was := map[string][]firewall.Range{}
	for _, l := range before {
		was[l.ID] = l.Ranges
	}
	out := slices.Clone(after)
	for _, l := range doc.Lists {
		at := slices.IndexFunc(out, func(o firewall.List) bool { return o.ID == l.Name })
		if at >= 0 && len(l.Names) > 0 && !slices.Equal(was[l.Name], out[at].Ranges) {
			out[at].Ranges = firewall.Join(slices.Concat(was[l.Name], out[at].Ranges))
		}
	}
	return out
}

// listInForce finds a list of the document in force.
func (g *gateway) listInForce(name string) (store.List, bool) {
	doc := g.current().Document
	at := slices.IndexFunc(doc.Lists, func(l store.List) bool { return l.Name == name })
	if at < 0 {
		return store.List{}, false
	}
	return doc.Lists[at], true
}

// ListSources says how the sources of a list in force are; false if no list of
// that name is in force.
func (g *gateway) ListSources(name string) ([]web.ListSource, bool) {
	l, ok := g.listInForce(name)
	var out []web.ListSource
	for _, s := range g.lists.Status(sourcesOf(l)) {
		out = append(out, web.ListSource{
			Kind: string(s.Kind), From: s.From, Entries: s.Entries, Fetched: s.Fetched, Next: s.Next, Fetching: s.Fetching,
			Problem: s.Problem, Failing: s.Failing, Wrong: s.Wrong, FirstWrong: s.FirstWrong, Addresses: s.Addresses,
		})
	}
	return out, ok
}

// FetchedEntries gives a part of what a list in force holds beside its entries.
func (g *gateway) FetchedEntries(name string, meets store.AddressRange, offset, limit int) (found []store.AddressRange, total int) {
	l, _ := g.listInForce(name)
	part, total := g.lists.Entries(sourcesOf(l), firewall.Range(meets), offset, limit)
	for _, r := range part {
		found = append(found, store.AddressRange(r))
	}
	return found, total
}

// FetchList fetches a list in force now; false if there is none of that name.
func (g *gateway) FetchList(name string) bool { return g.lists.Fetch(name) }

// noListError says that no list of that name is in force.
type noListError string

func (e noListError) Error() string {
	return "no list called " + string(e) + " is in force: it does not exist or is not applied yet"
}

func (g *gateway) fetchNow(name string) error {
	if !g.FetchList(name) {
		return noListError(name)
	}
	return nil
}
