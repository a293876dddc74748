package lists

import (
	"slices"
	"time"

	"gatehouse/firewall"
)

// part is the state of one source.
type part struct {
	source
	// ranges are the content. A slice that was given out is not written again.
	ranges  []firewall.Range
	entries int
	fetched time.Time // when the content was last known to be right; zero: never
	// wrong and firstWrong are of a Text.
	wrong      int
	firstWrong []string
	version    Version
	// held are the addresses of a name.
	held []held

	next     time.Time // when to fetch again; zero: not in force
	every    time.Duration
	busy     bool
	again    bool // somebody asked while it was busy
	failures int
	problem  string
	failing  time.Time // since when
	unused   time.Time // since when no list in force has it
}

// Tuning of look-ups and of what is tried again.
const (
	minTTL      = 30 * time.Second
	maxTTL      = time.Hour
	firstRetry  = 10 * time.Second
	lastRetry   = time.Hour
	lastNameTry = 5 * time.Minute
	tellAfter   = 3 // failures in a row; one or two are no news
	keepUnused  = time.Hour
	earlyPart   = 10 // a URL is fetched up to this part of its time early
	maxTogether = 4  // fetches at the same time
	writeNames  = 10 * time.Minute
)

// retry is how long to wait after the failures so far.
func (p *part) retry() time.Duration {
	wait := min(firstRetry<<min(p.failures-1, 12), lastRetry)
	if p.kind == Name {
		return min(wait, lastNameTry)
	}
	return min(wait, p.every)
}

// boundedTTL keeps a time to live within reason: a name with none would be asked
// for all the time, and one with a week would never change.
func boundedTTL(d time.Duration) time.Duration { return min(max(d, minTTL), maxTTL) }

// learn takes what was found out about a name: the answers of each family, nil
// where the question failed. It gives when to ask again. An address stays until
// the last answer with it runs out, because hosts inside may go by that one; of a
// family that could not be asked for, all stay.
func (p *part) learn(now time.Time, answers map[bool][]Answer) (next time.Time) {
	next = now.Add(maxTTL)
	var keep []held
	for _, h := range p.held {
		if _, asked := answers[h.Address.Is6()]; !asked || h.Until.After(now) {
			keep = append(keep, h)
		}
	}
	for _, family := range answers {
		for _, a := range family {
			until := now.Add(boundedTTL(a.TTL))
			if until.Before(next) {
				next = until
			}
			at := slices.IndexFunc(keep, func(h held) bool { return h.Address == a.Address })
			if at < 0 {
				keep = append(keep, held{a.Address, until})
			} else if keep[at].Until.Before(until) {
				keep[at].Until = until
			}
		}
	}
	p.held = keep
	return next
}

// setHeld makes ranges of the addresses and says whether they are others.
func (p *part) setHeld() (changed bool) {
	var all []firewall.Range
	for _, h := range p.held {
		all = append(all, firewall.Range{First: h.Address, Last: h.Address})
	}
	return p.setRanges(firewall.Join(all), len(p.held))
}

func (p *part) setRanges(all []firewall.Range, entries int) (changed bool) {
	changed = !slices.Equal(all, p.ranges)
	if changed {
		p.ranges = all
	}
	p.entries = entries
	return changed
}
