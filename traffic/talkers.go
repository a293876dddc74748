package traffic

import (
	"cmp"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// Talkers knows who moved how many bytes in each minute of the last hour. It is
// told what connections have carried so far, at every look at all of them and
// when one ends, and counts the differences.
type Talkers struct {
	// inside says of which addresses there is an account.
	inside func(netip.Addr) bool

	mu       sync.Mutex
	began    time.Time // when the first look was over; zero before
	look     uint32    // number of the present one
	followed map[Key]progress
	hosts    map[netip.Addr]*account
	rest     *account // of those that found no room
	swept    int64    // minute
}

// Key tells connections apart that are open at the same time: the kernel's
// number, which alone may occur twice, and the ports of both ends.
type Key struct{ ID, Ports uint32 }

// Carried is what a connection has carried since it began, in bytes.
type Carried struct {
	Key                 Key
	Source, Destination netip.Addr
	Sent, Received      uint64 // seen from the source
}

// progress is what was counted of a connection already.
type progress struct {
	sent, received uint64
	look           uint32
}

// minutes are the past hour and the present minute.
const minutes = 61

// Bounds: a connection beyond the first is counted when it ends, a host beyond
// the second with the rest. Together some 8 MB.
const (
	maxFollowed = 100_000
	maxHosts    = 2_000
)

// account is what one host moved, by minute.
type account struct {
	minute         int64 // of the newest part
	sent, received [minutes]uint64
}

// NewTalkers makes an account for each host that inside is true for.
func NewTalkers(inside func(netip.Addr) bool) *Talkers {
	return &Talkers{inside: inside, followed: map[Key]progress{}, hosts: map[netip.Addr]*account{}, rest: &account{}}
}

// Saw takes down a connection that was seen in the present look.
func (t *Talkers) Saw(c Carried, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	was, known := t.followed[c.Key]
	if !known && len(t.followed) >= maxFollowed {
		return
	}
	if was.sent > c.Sent || was.received > c.Received { // another one by now
		was = progress{}
	}
	t.followed[c.Key] = progress{c.Sent, c.Received, t.look}
	// What was carried before the first look was carried at no known time.
	if !t.began.IsZero() {
		t.count(c, was, now)
	}
}

// Ended takes down a connection that is over.
func (t *Talkers) Ended(c Carried, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	was := t.followed[c.Key]
	delete(t.followed, c.Key)
	if was.sent > c.Sent || was.received > c.Received {
		was = progress{}
	}
	if !t.began.IsZero() {
		t.count(c, was, now)
	}
}

// Looked says that a look at all connections is over. Those that were in
// neither this one nor the one before have ended, and nobody told.
func (t *Talkers) Looked(now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.began.IsZero() {
		t.began = now
	}
	for key, p := range t.followed {
		if t.look-p.look > 1 {
			delete(t.followed, key)
		}
	}
	t.look++
	t.sweep(minuteOf(now))
}

// count adds what is new to the accounts of both ends.
func (t *Talkers) count(c Carried, was progress, now time.Time) {
	sent, received := c.Sent-was.sent, c.Received-was.received
	if sent == 0 && received == 0 {
		return
	}
	if t.inside(c.Source) {
		t.account(c.Source).add(minuteOf(now), sent, received)
	}
	if t.inside(c.Destination) {
		t.account(c.Destination).add(minuteOf(now), received, sent)
	}
}

func (t *Talkers) account(host netip.Addr) *account {
	a, ok := t.hosts[host]
	switch {
	case ok:
		return a
	case len(t.hosts) >= maxHosts:
		return t.rest
	}
	a = &account{}
	t.hosts[host] = a
	return a
}

// sweep makes room once a minute: who was silent for an hour goes, and if that
// is not enough, the half that moved least.
func (t *Talkers) sweep(now int64) {
	if t.swept == now {
		return
	}
	t.swept = now
	var all []Talker
	for host, a := range t.hosts {
		if sent, received := a.sum(now, minutes); sent+received > 0 {
			all = append(all, Talker{host, sent, received})
		} else {
			delete(t.hosts, host)
		}
	}
	if len(all) < maxHosts {
		return
	}
	slices.SortFunc(all, byVolume)
	for _, least := range all[maxHosts/2:] {
		t.rest.join(t.hosts[least.Host], now)
		delete(t.hosts, least.Host)
	}
}

// Talker is a host and the bytes that it sent and received.
type Talker struct {
	Host           netip.Addr
	Sent, Received uint64
}

func byVolume(a, b Talker) int {
	return cmp.Or(cmp.Compare(b.Sent+b.Received, a.Sent+a.Received), a.Host.Compare(b.Host))
}

// Top gives those who moved most in a time up to now, at most an hour, in whole
// minutes, the present one included; rest is what all others moved, and over the
// time that there is an account of, if that is less.
func (t *Talkers) Top(window time.Duration, limit int, now time.Time) (top []Talker, rest Talker, over time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	over = min(window, time.Hour)
	if t.began.IsZero() {
		return nil, Talker{}, 0
	}
	n := int64(over / time.Minute)
	over = min(over, now.Sub(t.began))
	minute := minuteOf(now)
	for host, a := range t.hosts {
		if sent, received := a.sum(minute, n); sent+received > 0 {
			top = append(top, Talker{host, sent, received})
		}
	}
	slices.SortFunc(top, byVolume)
	rest.Sent, rest.Received = t.rest.sum(minute, n)
	for _, other := range top[min(limit, len(top)):] {
		rest.Sent += other.Sent
		rest.Received += other.Received
	}
	return top[:min(limit, len(top))], rest, over
}

func minuteOf(t time.Time) int64 { return t.Unix() / 60 }

// advance makes the account's newest minute the given one.
func (a *account) advance(minute int64) {
	if minute-a.minute >= minutes {
		*a = account{minute: minute}
	}
	for ; a.minute < minute; a.minute++ {
		at := (a.minute + 1) % minutes
		a.sent[at], a.received[at] = 0, 0
	}
}

func (a *account) add(minute int64, sent, received uint64) {
	a.advance(minute)
	a.sent[a.minute%minutes] += sent
	a.received[a.minute%minutes] += received
}

// sum is of the n minutes before the given one, and of that.
func (a *account) sum(minute, n int64) (sent, received uint64) {
	a.advance(minute)
	for m := max(0, minute-min(n, minutes-1)); m <= minute; m++ {
		sent += a.sent[m%minutes]
		received += a.received[m%minutes]
	}
	return sent, received
}

// join takes over what another account has.
func (a *account) join(b *account, minute int64) {
	a.advance(minute)
	b.advance(minute)
	for m := range minutes {
		a.sent[m] += b.sent[m]
		a.received[m] += b.received[m]
	}
}
