package lists

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// TestWithRealServers goes over sockets: a name server and a web server whose
// answers change, fail and end, and a start when both are gone.
func TestWithRealServers(t *testing.T) {
	names := newNameServer(t, "a.example. 60 A 192.0.2.1", "a.example. 60 AAAA 2001:db8::1")
	var says atomic.Pointer[http.HandlerFunc]
	serve := func(f http.HandlerFunc) { says.Store(&f) }
	text := func(kind, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", kind)
			io.WriteString(w, body)
		}
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { (*says.Load())(w, r) }))
	defer server.Close()
	serve(text("text/plain", "198.51.100.0/24\n"))
	dir, l := t.TempDir(), List{ID: "both", Names: []string{"a.example"}, URLs: []string{server.URL}}

	// run gives a Keeper that runs until the end of f.
	run := func(f func(k *Keeper, until func(what string, is func([]Status) bool))) {
		t.Helper()
		changed := make(chan struct{}, 100)
		k := New(Options{Dir: dir, Log: slog.New(slog.DiscardHandler), Resolver: names.resolver(),
			Changed: func(context.Context, []string) { changed <- struct{}{} }})
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- k.Run(ctx) }()
		k.Set([]List{l})
		f(k, func(what string, is func([]Status) bool) {
			t.Helper()
			tick, limit := time.NewTicker(10*time.Millisecond), time.After(20*time.Second)
			defer tick.Stop()
			for !is(k.Status(l)) {
				select {
				case <-changed:
				case <-tick.C:
				case <-limit:
					t.Fatalf("%s: %+v", what, k.Status(l))
				}
			}
		})
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	expect := func(k *Keeper, when, want string) {
		t.Helper()
		if got := spelled(k.Ranges(l)); got != want {
			t.Errorf("%s: %q, want %q", when, got, want)
		}
	}
	problem := func(words string) func([]Status) bool {
		return func(all []Status) bool { return strings.Contains(all[1].Problem, words) && !all[1].Fetching }
	}
	const later = "192.0.2.1-192.0.2.2 203.0.113.0/24 2001:db8::1"
	run(func(k *Keeper, until func(string, func([]Status) bool)) {
		until("the first answers", func(all []Status) bool { return all[0].Entries == 2 && all[1].Entries == 1 })
		expect(k, "at first", "192.0.2.1 198.51.100.0/24 2001:db8::1")
		names.set(t, "a.example. 60 A 192.0.2.2", "a.example. 60 AAAA 2001:db8::1")
		serve(text("text/plain", "203.0.113.0/24\n"))
		k.Fetch("both")
		until("other answers", func(all []Status) bool {
			return all[0].Entries == 3 && len(k.Ranges(l)) == 3 && spelled(k.Ranges(l)) == later
		})
		for words, f := range map[string]http.HandlerFunc{
			"503":        func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "later", http.StatusServiceUnavailable) },
			"a web page": text("text/html", "<html>192.0.2.77\n"),
			"cut off": func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Length", "100")
				io.WriteString(w, "192.0.2.77\n")
			},
			"empty": text("text/plain", ""),
		} {
			serve(f)
			k.Fetch("both")
			until(words, problem(words))
			expect(k, words, later)
		}
	})
	server.Close()
	names.fail("a.example.")
	run(func(k *Keeper, until func(string, func([]Status) bool)) {
		expect(k, "at a start without servers", later)
		until("a look-up that fails", func(all []Status) bool { return all[0].Problem != "" })
		k.Fetch("both")
		until("a fetch that fails", problem("could not be reached"))
		expect(k, "after tries in vain", later)
	})
}
