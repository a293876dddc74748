package lists

import "time"

// Status is how one source of a list is.
type Status struct {
	Kind Kind
	From string // the host name, URL or country
	// Entries are those of the last good content.
	Entries int
	// Fetched is when that was last known to be right; zero: never.
	Fetched time.Time
	// Next is when it is fetched again; zero: not at all.
	Next     time.Time
	Fetching bool
	// Problem says why there is no newer content, since Failing; empty: all is
	// well. What is there is old, then, and stays in force.
	Problem string
	Failing time.Time
	// Wrong are the lines of a text that were no addresses; FirstWrong shows
	// some of them.
	Wrong      int
	FirstWrong []string
	// Addresses are those of a name.
	Addresses []string
}

// Status says how each source of a list is, in the list's order.
func (k *Keeper) Status(l List) []Status {
	k.needCountries(l)
	k.mu.Lock()
	defer k.mu.Unlock()
	var out []Status
	for _, s := range l.sources() {
		out = append(out, k.part(s).status())
	}
	return out
}

func (p *part) status() Status {
	st := Status{
		Kind: p.kind, From: p.from, Entries: p.entries, Fetched: p.fetched, Next: p.next, Fetching: p.busy,
		Problem: p.problem, Failing: p.failing, Wrong: p.wrong, FirstWrong: p.firstWrong,
	}
	for _, h := range p.held {
		st.Addresses = append(st.Addresses, h.Address.String())
	}
	return st
}
