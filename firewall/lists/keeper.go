package lists

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"gatehouse/firewall"
)

// Options are what a Keeper is made of. Dir and Log are required.
type Options struct {
	// Dir is where copies are kept; it is made when it is needed.
	Dir string
	Log *slog.Logger
	// Changed is told which lists in force have other content now, one call at a
	// time. It may ask the Keeper.
	Changed func(ctx context.Context, ids []string)
	// Stale is told, once until it is fetched again, of a source that cannot be,
	// and which lists in force have it.
	Stale func(ids []string, s Status)
	// Resolver and Fetcher reach out; nil means the system's name servers and HTTP.
	Resolver resolver
	Fetcher  fetcher
}

// Keeper knows the content of lists that comes from elsewhere, and keeps it
// fresh for the lists in force while Run runs. Its methods can be called at any
// time, from anywhere.
type Keeper struct {
	Options
	copies copies
	wake   chan struct{}
	// telling lets one call of Changed end before the next.
	telling sync.Mutex

	mu         sync.Mutex
	parts      map[source]*part
	inForce    map[string]List
	joined     map[string]joined // by a list's ID
	countries  *Countries
	read       sync.Once // the file of countries
	given      time.Time // when the file of countries was
	size       int64     // of that file, in bytes
	running    int       // fetches
	namesDirty bool
	namesAt    time.Time // when they were written
	jobs       sync.WaitGroup
}

// New reads what was kept of names; a copy that is damaged is as good as none, and
// the log says so. Lists and countries are read when they are asked for.
func New(o Options) *Keeper {
	if o.Resolver == nil {
		o.Resolver = &Resolver{}
	}
	if o.Fetcher == nil {
		o.Fetcher = NewFetcher()
	}
	k := &Keeper{
		Options: o, copies: copies{o.Dir}, wake: make(chan struct{}, 1),
		parts: map[source]*part{}, inForce: map[string]List{}, joined: map[string]joined{},
	}
	kept, err := k.copies.names()
	if err != nil {
		k.Log.Warn("the kept addresses of names cannot be used", "err", err)
	}
	for _, n := range kept {
		p := &part{source: source{Name, n.Name}, fetched: n.Fetched, held: n.Addresses, unused: time.Now()}
		p.setHeld()
		k.parts[p.source] = p
	}
	return k
}

// Set says which lists are in force: from now on they are kept fresh, and no
// others.
func (k *Keeper) Set(all []List) {
	k.needCountries(all...)
	k.mu.Lock()
	defer k.mu.Unlock()
	now := time.Now()
	used := map[source]bool{}
	k.inForce = map[string]List{}
	for _, l := range all {
		k.inForce[l.ID] = l
		for _, s := range l.sources() {
			p := k.part(s)
			every := max(l.Refresh, MinRefresh)
			if l.Refresh == 0 {
				every = DefaultRefresh
			}
			// Two lists may want the same text at different times.
			if !used[s] || every < p.every {
				p.every = every
			}
			used[s] = true
			p.unused = time.Time{}
			p.plan(now)
		}
	}
	for s, p := range k.parts {
		switch {
		case used[s]:
		case p.unused.IsZero():
			p.unused, p.next = now, time.Time{}
		case now.Sub(p.unused) > keepUnused && !p.busy:
			delete(k.parts, s)
			k.namesDirty = k.namesDirty || s.kind == Name
		}
	}
	maps.DeleteFunc(k.joined, func(id string, _ joined) bool { _, used := k.inForce[id]; return !used })
	k.nudge()
}

// plan says when a part is fetched that comes into force, or that is wanted more
// often than before. A copy that is young enough will do for now.
func (p *part) plan(now time.Time) {
	due := now
	if p.kind == URL && !p.fetched.After(now) && p.fetched.Add(p.every).After(now) {
		due = p.fetched.Add(p.every)
	}
	switch {
	case p.kind == Country:
	case p.next.IsZero(), p.kind == URL && p.problem == "" && due.Before(p.next):
		p.next = due
	}
}

// part finds or makes the state of a source. Needs k.mu.
func (k *Keeper) part(s source) *part {
	if p := k.parts[s]; p != nil {
		return p
	}
	p := &part{source: s, unused: time.Now()}
	k.parts[s] = p
	switch s.kind {
	case Country:
		p.setCountry(k.countries, k.given)
	case URL:
		l, ranges, err := k.copies.get(s.from)
		if err == nil {
			p.version, p.fetched, p.wrong, p.firstWrong = l.Version, l.fetched, l.Wrong, l.FirstWrong
			p.setRanges(ranges, l.Entries)
		} else if !errors.Is(err, os.ErrNotExist) {
			k.Log.Warn("the copy of a list cannot be used", "url", s.from, "err", err)
		}
	}
	return p
}

// Ranges are the content of a list, in force or not, as far as it is known: the
// last good one. The caller must not write to them.
func (k *Keeper) Ranges(l List) []firewall.Range {
	k.needCountries(l)
	k.mu.Lock()
	defer k.mu.Unlock()
	var all [][]firewall.Range
	for _, s := range l.sources() {
		if p := k.part(s); len(p.ranges) > 0 {
			all = append(all, p.ranges)
		}
	}
	if len(all) == 1 {
		return all[0]
	}
	// Asked for often, changed seldom.
	if j := k.joined[l.ID]; slices.EqualFunc(j.of, all, sameSlice) {
		return j.all
	}
	j := joined{all, firewall.Join(slices.Concat(all...))}
	k.joined[l.ID] = j
	return j.all
}

// joined is the content of a list of several sources, and what it was made of.
type joined struct {
	of  [][]firewall.Range
	all []firewall.Range
}

// sameSlice goes by where they are: a part that changes gets a slice of its own.
func sameSlice(a, b []firewall.Range) bool {
	return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0])
}

// Entries gives a part of a list's content: what meets a range, or all of it if
// that is the zero Range, from the offset on. Total says how much there is.
func (k *Keeper) Entries(l List, meets firewall.Range, offset, limit int) (found []firewall.Range, total int) {
	all := k.Ranges(l)
	if meets.First.IsValid() {
		// They are in order and apart, so what meets a range stands together.
		from, _ := slices.BinarySearchFunc(all, meets.First, func(r firewall.Range, a netip.Addr) int { return r.Last.Compare(a) })
		to, _ := slices.BinarySearchFunc(all, meets.Last, func(r firewall.Range, a netip.Addr) int {
			if r.First.Compare(a) <= 0 {
				return -1
			}
			return 1
		})
		all = all[from:max(from, to)]
	}
	total = len(all)
	all = all[min(max(offset, 0), total):]
	return all[:min(max(limit, 0), len(all))], total
}

// Fetch asks for a list in force at once, whenever it was fetched; false if no
// list of that name is in force.
func (k *Keeper) Fetch(id string) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	l, ok := k.inForce[id]
	for _, s := range l.sources() {
		if p := k.parts[s]; s.kind != Country {
			p.next, p.again = time.Now(), p.busy
		}
	}
	k.nudge()
	return ok
}

func (k *Keeper) nudge() {
	select {
	case k.wake <- struct{}{}:
	default:
	}
}

// Run keeps the lists in force fresh until ctx ends.
func (k *Keeper) Run(ctx context.Context) error {
	k.tidy()
	// Also without lists of them: Country tells where packets come from.
	k.jobs.Go(k.readOnce)
	for {
		timer := time.NewTimer(k.begin(ctx))
		select {
		case <-ctx.Done():
			timer.Stop()
			k.jobs.Wait()
			k.writeNames(true)
			return nil
		case <-timer.C:
		case <-k.wake:
			timer.Stop()
		}
	}
}

// begin fetches what is due and gives how long nothing else is.
func (k *Keeper) begin(ctx context.Context) time.Duration {
	k.writeNames(false)
	k.mu.Lock()
	defer k.mu.Unlock()
	now, wait := time.Now(), writeNames
	for _, p := range k.parts {
		switch {
		case p.next.IsZero() || p.busy:
		case p.next.After(now):
			wait = min(wait, p.next.Sub(now))
		case k.running < maxTogether:
			k.running++
			p.busy = true
			k.jobs.Go(func() { k.fetch(ctx, p) })
		}
	}
	return wait
}

// fetch gets one part and says what changed.
func (k *Keeper) fetch(ctx context.Context, p *part) {
	var changed, stale bool
	var failed error
	if p.kind == Name {
		changed, failed = k.lookUp(ctx, p)
	} else {
		changed, failed = k.download(ctx, p)
	}
	k.mu.Lock()
	now := time.Now()
	k.running--
	p.busy = false
	switch {
	case failed == nil:
		p.failures, p.problem, p.failing = 0, "", time.Time{}
	case ctx.Err() == nil:
		if p.failures++; p.failures == 1 {
			p.failing = now
			k.Log.Warn("a list is not fresh", "from", p.from, "err", failed)
		}
		stale = p.failures == tellAfter
		p.problem = failed.Error()
		p.next = now.Add(p.retry())
	}
	if p.again {
		p.again, p.next = false, now
	}
	if !p.unused.IsZero() {
		p.next = time.Time{}
	}
	ids := k.users(p.source)
	status := p.status()
	k.mu.Unlock()
	if stale && len(ids) > 0 && k.Stale != nil {
		k.Stale(ids, status)
	}
	if changed && len(ids) > 0 {
		k.tell(ctx, ids)
	}
	k.nudge()
}

func (k *Keeper) tell(ctx context.Context, ids []string) {
	if k.Changed == nil {
		return
	}
	k.telling.Lock()
	defer k.telling.Unlock()
	k.Changed(ctx, ids)
}

// users are the lists in force that have a source. Needs k.mu.
func (k *Keeper) users(s source) []string {
	var out []string
	for id, l := range k.inForce {
		if slices.Contains(l.sources(), s) {
			out = append(out, id)
		}
	}
	slices.Sort(out)
	return out
}

// lookUp asks for both families of a name. One that cannot be asked for does
// not keep the other from being taken.
func (k *Keeper) lookUp(ctx context.Context, p *part) (changed bool, failed error) {
	answers := map[bool][]Answer{}
	found := 0
	for _, v6 := range []bool{false, true} {
		all, err := k.Resolver.Lookup(ctx, p.from, v6)
		if err != nil {
			failed = err
			continue
		}
		found += len(all)
		answers[v6] = all
	}
	if failed == nil && found == 0 {
		failed = Fault{"The name has no address", nil}
	}
	if found == 0 {
		return false, failed
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	p.next = p.learn(time.Now(), answers)
	if failed == nil {
		p.fetched = time.Now()
	}
	changed = p.setHeld()
	k.namesDirty = k.namesDirty || changed
	return changed, failed
}

func (k *Keeper) download(ctx context.Context, p *part) (changed bool, failed error) {
	k.mu.Lock()
	had := p.version
	k.mu.Unlock()
	d, err := k.Fetcher.Fetch(ctx, p.from, had)
	if err != nil {
		return false, err
	}
	k.mu.Lock()
	now := time.Now()
	p.fetched = now
	// Not for everybody at the same minute.
	p.next = now.Add(p.every - rand.N(p.every/earlyPart))
	if !d.Unchanged {
		p.version, p.wrong, p.firstWrong = d.Version, d.Text.Wrong, d.Text.FirstWrong
		changed = p.setRanges(d.Text.Ranges, d.Text.Entries)
	}
	l := label{URL: p.from, Version: p.version, Entries: p.entries, Wrong: p.wrong, FirstWrong: p.firstWrong}
	ranges := p.ranges
	k.mu.Unlock()
	// An SD card is not worn by what it has already.
	if changed || l.Version != had {
		err = k.copies.put(l, ranges)
	} else if err = k.copies.touch(p.from, now); errors.Is(err, os.ErrNotExist) {
		err = k.copies.put(l, ranges)
	}
	if err != nil {
		k.Log.Error("a list cannot be kept for the next start", "url", p.from, "err", err)
	}
	return changed, nil
}

// writeNames keeps the addresses of names for the next start, not more often
// than an SD card likes. Only Run calls it.
func (k *Keeper) writeNames(now bool) {
	k.mu.Lock()
	if !k.namesDirty || !now && time.Since(k.namesAt) < writeNames {
		k.mu.Unlock()
		return
	}
	k.namesDirty, k.namesAt = false, time.Now()
	var all []keptName
	for s, p := range k.parts {
		if s.kind == Name && len(p.held) > 0 {
			all = append(all, keptName{s.from, p.fetched, slices.Clone(p.held)})
		}
	}
	k.mu.Unlock()
	slices.SortFunc(all, func(a, b keptName) int { return strings.Compare(a.Name, b.Name) })
	if err := k.copies.putNames(all); err != nil {
		k.Log.Error("the addresses of names cannot be kept for the next start", "err", err)
	}
}

func (k *Keeper) tidy() {
	k.mu.Lock()
	defer k.mu.Unlock()
	used := map[string]bool{}
	for s := range k.parts {
		used[filepath.Base(k.copies.path(s.from))] = s.kind == URL
	}
	if err := k.copies.tidy(func(path string) bool { return used[filepath.Base(path)] }, time.Now()); err != nil {
		k.Log.Warn("old copies of lists cannot be removed", "err", err)
	}
}
