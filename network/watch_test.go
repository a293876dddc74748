package network

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"os/exec"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// sh runs a command in the namespace of this thread.
func sh(t *testing.T, command string) {
	t.Helper()
	if out, err := exec.Command("sh", "-ec", command).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", command, err, out)
	}
}

func TestAddressesWithALifetimeAreFollowedAndLeftAlone(t *testing.T) {
	inNamespace(t, func(t *testing.T) {
		sh(t, "ip link set dev a up; ip link set dev b up; ip addr add 10.9.0.1/24 dev b; ip addr add 2001:db8:7::1/64 dev b nodad valid_lft 3600 preferred_lft 3600")
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		told := make(chan Addresses, 16)
		// The watch keeps to the namespace it was begun in, wherever it runs.
		ended := make(chan error, 1)
		begun := make(chan struct{})
		inThisNamespace(t, func() {
			close(begun)
			ended <- WatchAddresses(ctx, slog.New(slog.DiscardHandler), func(a Addresses) { told <- a })
		})
		<-begun
		next := func(want ...netip.Prefix) {
			t.Helper()
			select {
			case got := <-told:
				if len(got["a"]) != 0 || !slices.Equal(got["b"], want) {
					t.Errorf("told %v, want %v", got, want)
				}
			case <-time.After(20 * time.Second):
				t.Fatal("nothing was told")
			}
		}
		next(p("2001:db8:7::1/64"))
		sh(t, "ip addr add 10.8.0.1/24 dev b; ip addr add 2001:db8:8::1/64 dev b nodad valid_lft 3600 preferred_lft 3600; ip addr add 192.0.2.5/24 dev b valid_lft 3600 preferred_lft 3600")
		next(p("192.0.2.5/24"), p("2001:db8:7::1/64"), p("2001:db8:8::1/64"))
		if err := apply(t, Config{Links: []Link{{Device: "b", Addresses: []netip.Prefix{p("10.1.0.1/24")}}}}); err != nil {
			t.Fatal(err)
		}
		want(t, `
			b 10.1.0.1/24
			b 192.0.2.5/24
			b 2001:db8:7::1/64
			b 2001:db8:8::1/64`)
		sh(t, "ip addr del 2001:db8:7::1/64 dev b")
		next(p("192.0.2.5/24"), p("2001:db8:8::1/64"))
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

func TestFlappingAddressesAreToldEverLessOften(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		news := make(chan struct{}, 1)
		began := time.Now()
		var mu sync.Mutex // guards the following
		n, fail := 0, false
		var told []time.Duration
		w := watch{news: news, log: slog.New(slog.DiscardHandler),
			read: func() (Addresses, error) {
				mu.Lock()
				defer mu.Unlock()
				if fail {
					return nil, errors.New("no memory")
				}
				return Addresses{"b": {netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(n)}), 24)}}, nil
			},
			changed: func(Addresses) {
				mu.Lock()
				defer mu.Unlock()
				told = append(told, time.Since(began))
			},
		}
		set := func(f func()) { mu.Lock(); defer mu.Unlock(); f() }
		soFar := func() []time.Duration { mu.Lock(); defer mu.Unlock(); return told }
		done := make(chan struct{})
		go func() { w.run(ctx); close(done) }()
		tell := func() {
			select {
			case news <- struct{}{}:
			default:
			}
		}
		synctest.Wait()
		// An hour later it changes three times within a second.
		time.Sleep(time.Hour)
		for range 3 {
			set(func() { n++ })
			tell()
			time.Sleep(200 * time.Millisecond)
		}
		time.Sleep(time.Hour)
		if told := soFar(); !slices.Equal(told, []time.Duration{0, time.Hour + time.Second}) {
			t.Errorf("told at %v", told)
		}
		// It flaps ten times a second, for ten minutes.
		set(func() { told = nil })
		for range 6000 {
			set(func() { n++ })
			tell()
			time.Sleep(100 * time.Millisecond)
		}
		if told := soFar(); len(told) < 10 || len(told) > 20 {
			t.Errorf("told %d times: %v", len(told), told)
		}
		// What came and went is not told, nor what cannot be read.
		time.Sleep(time.Hour)
		set(func() { told = nil })
		tell()
		time.Sleep(time.Hour)
		set(func() { fail = true })
		set(func() { n++ })
		tell()
		time.Sleep(time.Hour)
		if told := soFar(); told != nil {
			t.Errorf("told at %v", told)
		}
		set(func() { fail = false })
		tell()
		time.Sleep(2 * time.Second)
		if told := soFar(); len(told) != 1 {
			t.Errorf("told %d times", len(told))
		}
		cancel()
		<-done
	})
}
