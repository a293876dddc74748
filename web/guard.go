package web

import (
	"net"
	"net/http"
	"sync"
	"time"
)

// Limits on failed logins: a person who mistypes notices nothing, a program
// gets about one try a minute from each address, and about ten a minute from
// all together once the table is full.
const (
	freeTries  = 5
	forgetTry  = time.Minute
	maxSources = 4096
)

// guard slows down guessing. Its memory is bounded.
type guard struct {
	now func() time.Time
	// hashing lets one password be checked at a time, because each takes 64 MiB.
	hashing chan struct{}

	mu      sync.Mutex
	sources map[string]*tries
}

// tries is a leaky bucket: one failure leaks out each forgetTry.
type tries struct {
	level float64
	at    time.Time
}

func newGuard(now func() time.Time) *guard {
	return &guard{now: now, hashing: make(chan struct{}, 1), sources: map[string]*tries{}}
}

// source is who asks: an IPv4 address, or an IPv6 network of 64 bits, because
// one host has as many addresses there as it likes.
func source(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	ip := net.ParseIP(host)
	if ip == nil {
		return host
	}
	if ip.To4() == nil {
		return ip.Mask(net.CIDRMask(64, 128)).String()
	}
	return ip.String()
}

// allow says whether another try may be made now, and counts it as failed
// until succeeded says otherwise, so that parallel tries gain nothing.
func (g *guard) allow(key string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := g.now()
	t := g.sources[key]
	if t == nil {
		if len(g.sources) >= maxSources {
			g.forget(now)
		}
		if len(g.sources) >= maxSources {
			// An attacker with thousands of addresses: they share one bucket.
			key = "everyone else"
			t = g.sources[key]
		}
		if t == nil {
			t = &tries{at: now}
			g.sources[key] = t
		}
	}
	t.leak(now)
	if t.level >= freeTries {
		return false
	}
	t.level++
	return true
}

func (t *tries) leak(now time.Time) {
	t.level = max(0, t.level-now.Sub(t.at).Seconds()/forgetTry.Seconds())
	t.at = now
}

// forget drops those with nothing left to remember. Needs g.mu.
func (g *guard) forget(now time.Time) {
	for key, t := range g.sources {
		if t.leak(now); t.level == 0 {
			delete(g.sources, key)
		}
	}
}

// succeeded clears what was counted against a source.
func (g *guard) succeeded(key string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.sources, key)
}
