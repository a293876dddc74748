package lists

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/firewall"
)

// elsewhere plays name servers and web servers.
type elsewhere struct {
	mu     sync.Mutex
	names  map[string][]Answer
	texts  map[string]string
	down   error // of everything
	down6  error // of look-ups of IPv6
	called []string
}

func (e *elsewhere) Lookup(_ context.Context, name string, v6 bool) ([]Answer, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !v6 {
		e.called = append(e.called, name)
	}
	if e.down != nil || v6 && e.down6 != nil {
		return nil, errors.Join(e.down, e.down6)
	}
	var out []Answer
	for _, a := range e.names[name] {
		if a.Address.Is6() == v6 {
			out = append(out, a)
		}
	}
	return out, nil
}

func (e *elsewhere) Fetch(_ context.Context, url string, had Version) (Download, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.called = append(e.called, url)
	if e.down != nil {
		return Download{}, e.down
	}
	if had.ETag == e.texts[url] {
		return Download{Unchanged: true, Version: had}, nil
	}
	t, err := Parse(strings.NewReader(e.texts[url]))
	return Download{Text: t, Version: Version{ETag: e.texts[url]}}, err
}

func (e *elsewhere) change(f func()) {
	e.mu.Lock()
	defer e.mu.Unlock()
	f()
}

// calls gives what was asked for since the last time.
func (e *elsewhere) calls() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	slices.Sort(e.called)
	out := strings.Join(e.called, " ")
	e.called = nil
	return out
}

func answer(address string, ttl time.Duration) Answer {
	return Answer{netip.MustParseAddr(address), ttl}
}

// kept runs a Keeper in virtual time.
func kept(t *testing.T, dir string, e *elsewhere, test func(k *Keeper, changed func() string)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var told []string
		k := New(Options{Dir: dir, Log: slog.New(slog.DiscardHandler), Resolver: e, Fetcher: e, Changed: func(_ context.Context, ids []string) {
			mu.Lock()
			defer mu.Unlock()
			told = append(told, ids...)
		}})
		ctx, stop := context.WithCancel(context.Background())
		done := make(chan error)
		go func() { done <- k.Run(ctx) }()
		test(k, func() string {
			synctest.Wait()
			mu.Lock()
			defer mu.Unlock()
			out := strings.Join(told, " ")
			told = nil
			return out
		})
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func TestANameIsAskedForAgainWhenItsAnswerRunsOut(t *testing.T) {
	e := &elsewhere{names: map[string][]Answer{"a.example": {answer("192.0.2.1", 2*time.Minute), answer("2001:db8::1", 5*time.Minute)}}}
	l := List{ID: "hosts", Names: []string{"a.example"}}
	kept(t, t.TempDir(), e, func(k *Keeper, changed func() string) {
		expect := func(when, ranges, told, calls string) {
			t.Helper()
			if got := changed(); got != told {
				t.Errorf("%s: told %q, want %q", when, got, told)
			}
			if got := spelled(k.Ranges(l)); got != ranges {
				t.Errorf("%s: the list is %q, want %q", when, got, ranges)
			}
			if got := e.calls(); got != calls {
				t.Errorf("%s: asked for %q, want %q", when, got, calls)
			}
		}
		expect("before it is in force", "", "", "")
		k.Set([]List{l})
		expect("in force", "192.0.2.1 2001:db8::1", "hosts", "a.example")
		e.change(func() {
			e.names["a.example"] = []Answer{answer("192.0.2.2", time.Second), answer("2001:db8::1", 5*time.Minute)}
		})
		time.Sleep(2*time.Minute - time.Second)
		expect("just before the answer runs out", "192.0.2.1 2001:db8::1", "", "")
		time.Sleep(time.Second)
		expect("when it does", "192.0.2.2 2001:db8::1", "hosts", "a.example")
		time.Sleep(29 * time.Second)
		expect("a second is too short a life", "192.0.2.2 2001:db8::1", "", "")
		// Two addresses in turn: the one before stays while hosts may know it.
		e.change(func() { e.names["a.example"] = []Answer{answer("192.0.2.1", time.Minute)} })
		time.Sleep(time.Second)
		expect("another one in turn", "192.0.2.1 2001:db8::1", "hosts", "a.example")
		e.change(func() { e.names["a.example"] = []Answer{answer("192.0.2.2", 40*24*time.Hour)} })
		time.Sleep(30 * time.Second)
		k.Fetch("hosts")
		expect("asked for by hand while the answer before holds", "192.0.2.1-192.0.2.2 2001:db8::1", "hosts", "a.example")
		time.Sleep(time.Hour - time.Second)
		expect("a month is too long a life", "192.0.2.1-192.0.2.2 2001:db8::1", "", "")
		time.Sleep(time.Second)
		expect("after an hour", "192.0.2.2", "hosts", "a.example")
		k.Set(nil)
		time.Sleep(2 * time.Hour)
		expect("out of force", "192.0.2.2", "", "")
	})
}

func TestTheLastGoodAddressesStayWhenANameCannotBeLookedUp(t *testing.T) {
	e := &elsewhere{names: map[string][]Answer{"a.example": {answer("192.0.2.1", time.Minute), answer("2001:db8::1", time.Minute)}}}
	l := List{ID: "hosts", Names: []string{"a.example"}}
	dir := t.TempDir()
	kept(t, dir, e, func(k *Keeper, changed func() string) {
		k.Set([]List{l})
		changed()
		for _, fail := range []func(){
			func() { e.down = errors.New("nobody answers") },
			func() { e.down, e.names["a.example"] = nil, nil },
		} {
			e.change(fail)
			time.Sleep(20 * time.Hour)
			st := k.Status(l)[0]
			if changed() != "" || spelled(k.Ranges(l)) != "192.0.2.1 2001:db8::1" || st.Problem == "" || time.Since(st.Failing) < 19*time.Hour || st.Entries != 2 {
				t.Errorf("after hours without an answer: %q, %+v", spelled(k.Ranges(l)), st)
			}
			if time.Until(st.Next) > lastNameTry {
				t.Errorf("it is tried again in %v", time.Until(st.Next))
			}
		}
		e.change(func() {
			e.down6, e.names["a.example"] = errors.New("no IPv6 today"), []Answer{answer("192.0.2.7", time.Minute)}
		})
		time.Sleep(lastNameTry)
		if st := k.Status(l)[0]; changed() != "hosts" || spelled(k.Ranges(l)) != "192.0.2.7 2001:db8::1" || st.Problem == "" {
			t.Errorf("with one family: %q, %+v", spelled(k.Ranges(l)), st)
		}
		e.change(func() { e.down6 = nil })
		time.Sleep(lastNameTry)
		if st := k.Status(l)[0]; changed() != "hosts" || spelled(k.Ranges(l)) != "192.0.2.7" || st.Problem != "" {
			t.Errorf("with both again: %q, %+v", spelled(k.Ranges(l)), st)
		}
	})
	// The next start has no network.
	e.change(func() { e.down = errors.New("no network") })
	kept(t, dir, e, func(k *Keeper, changed func() string) {
		if got := spelled(k.Ranges(l)); got != "192.0.2.7" {
			t.Errorf("a new start begins with %q", got)
		}
		k.Set([]List{l})
		time.Sleep(time.Hour)
		if st := k.Status(l)[0]; changed() != "" || spelled(k.Ranges(l)) != "192.0.2.7" || st.Problem == "" {
			t.Errorf("an hour without a network: %q, %+v", spelled(k.Ranges(l)), st)
		}
	})
}

func TestATextIsFetchedEverySoOftenAndKept(t *testing.T) {
	const one, two = "https://one.example/", "https://two.example/"
	e := &elsewhere{texts: map[string]string{one: "192.0.2.1\nnonsense\n", two: "192.0.2.0\n198.51.100.0/24\n"}}
	l := List{ID: "bad", URLs: []string{one, two}, Refresh: time.Hour}
	dir := t.TempDir()
	kept(t, dir, e, func(k *Keeper, changed func() string) {
		k.Set([]List{l})
		if changed() == "" || spelled(k.Ranges(l)) != "192.0.2.0/31 198.51.100.0/24" {
			t.Errorf("the list is %q", spelled(k.Ranges(l)))
		}
		st := k.Status(l)
		if st[0].Wrong != 1 || !slices.Equal(st[0].FirstWrong, []string{`line 2: "nonsense"`}) || st[0].Entries != 1 || st[1].Entries != 2 {
			t.Errorf("the status is %+v", st)
		}
		e.calls()
		time.Sleep(54*time.Minute - time.Second)
		changed()
		if got := e.calls(); got != "" {
			t.Errorf("too early: %s", got)
		}
		time.Sleep(6*time.Minute + time.Second)
		if told, got := changed(), e.calls(); told != "" || got != one+" "+two {
			t.Errorf("after an hour: told %q after fetching %q", told, got)
		}
		e.change(func() { e.down = Fault{"The server answered 503", nil} })
		k.Fetch("bad")
		if changed() != "" || spelled(k.Ranges(l)) != "192.0.2.0/31 198.51.100.0/24" || !strings.Contains(k.Status(l)[0].Problem, "503") {
			t.Errorf("after a failure: %q, %+v", spelled(k.Ranges(l)), k.Status(l))
		}
		if wait := time.Until(k.Status(l)[0].Next); wait != firstRetry {
			t.Errorf("it is tried again in %v", wait)
		}
		if k.Fetch("other") {
			t.Error("a list that is not in force was fetched")
		}
		// More often from now on.
		e.change(func() { e.down = nil })
		time.Sleep(time.Minute)
		changed()
		e.calls()
		l.Refresh = time.Second
		k.Set([]List{l})
		time.Sleep(MinRefresh)
		changed()
		if got := e.calls(); got != one+" "+two {
			t.Errorf("with the shortest time: %s", got)
		}
	})
	e.change(func() { e.down = errors.New("no network") })
	kept(t, dir, e, func(k *Keeper, changed func() string) {
		if spelled(k.Ranges(l)) != "192.0.2.0/31 198.51.100.0/24" || k.Status(l)[0].Wrong != 1 {
			t.Errorf("a new start begins with %q, %+v", spelled(k.Ranges(l)), k.Status(l))
		}
		// The clock is before the copy's time, as at a start without one that runs.
		// The server knows which version that was.
		e.change(func() { e.down = nil })
		e.calls()
		k.Set([]List{l})
		if told, got := changed(), e.calls(); told != "" || got != one+" "+two {
			t.Errorf("told %q after fetching %q", told, got)
		}
	})
}

func TestADamagedCopyIsAsGoodAsNone(t *testing.T) {
	dir, url := t.TempDir(), "https://one.example/"
	c := copies{dir}
	var content []firewall.Range
	for _, text := range []string{"192.0.2.1", "198.51.100.0", "2001:db8::1"} {
		a := netip.MustParseAddr(text)
		content = append(content, firewall.Range{First: a, Last: a.Next()})
	}
	if err := c.put(label{URL: url, Entries: 3}, content); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(c.path(url))
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(c.path(url)); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the copy has mode %v, %v", info.Mode(), err)
	}
	if _, got, err := c.get(url); err != nil || !slices.Equal(got, content) {
		t.Errorf("whole: %v, %v", got, err)
	}
	for at := range whole {
		spoiled := bytes.Clone(whole)
		spoiled[at] ^= 1
		if _, got, err := readCopy(bytes.NewReader(spoiled), url); err == nil && !slices.Equal(got, content) {
			t.Errorf("byte %d: %v", at, got)
		}
		if _, _, err := readCopy(bytes.NewReader(whole[:at]), url); err == nil {
			t.Errorf("cut at byte %d it was taken", at)
		}
	}
	if _, _, err := readCopy(bytes.NewReader(whole), url+"other"); err == nil {
		t.Error("the copy of another list was taken")
	}
	for _, name := range []string{namesFile, countryFile, filepath.Base(c.path(url))} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("damaged"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var log strings.Builder
	k := New(Options{Dir: dir, Log: slog.New(slog.NewTextHandler(&log, nil))})
	if got := k.Ranges(List{URLs: []string{url}, Names: []string{"a"}, Countries: []string{"NL"}}); len(got) != 0 || strings.Count(log.String(), "cannot be used") != 3 {
		t.Errorf("got %v, said %s", got, log.String())
	}
}

func FuzzReadCopy(f *testing.F) {
	dir := f.TempDir()
	if err := (copies{dir}).put(label{URL: "u"}, must(Parse(strings.NewReader("192.0.2.1\n2001:db8::/32\n"))).Ranges); err != nil {
		f.Fatal(err)
	}
	whole, err := os.ReadFile(copies{dir}.path("u"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole)
	f.Fuzz(func(t *testing.T, text []byte) {
		_, all, err := readCopy(bytes.NewReader(text), "u")
		for i, r := range all {
			if err != nil || r.Last.Less(r.First) || i > 0 && !all[i-1].Last.Less(r.First) {
				t.Fatalf("%v, %v", all, err)
			}
		}
	})
}

// must is for what cannot fail in a test.
func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func TestOldCopiesGoAndUnfinishedOnes(t *testing.T) {
	c := copies{t.TempDir()}
	old := time.Now().Add(-2 * copyLife)
	for _, url := range []string{"used", "old", "young"} {
		if err := c.put(label{URL: url}, nil); err != nil {
			t.Fatal(err)
		}
		if url != "young" {
			if err := c.touch(url, old); err != nil {
				t.Fatal(err)
			}
		}
	}
	unfinished := must(c.temporary())
	if err := os.Chtimes(unfinished, old, old); err != nil {
		t.Fatal(err)
	}
	writing := must(c.temporary())
	if err := c.tidy(func(path string) bool { return path == c.path("used") }, time.Now()); err != nil {
		t.Fatal(err)
	}
	left := must(filepath.Glob(filepath.Join(c.dir, "*")))
	want := []string{c.path("used"), c.path("young"), writing}
	slices.Sort(want)
	if !slices.Equal(left, want) {
		t.Errorf("left are %v", left)
	}
}

func TestAFileOfCountriesReplacesTheOneBeforeOnlyIfItIsGood(t *testing.T) {
	dir := t.TempDir()
	l := List{ID: "there", Countries: []string{"NL"}}
	kept(t, dir, &elsewhere{}, func(k *Keeper, changed func() string) {
		k.Set([]List{l})
		if st := k.Status(l)[0]; st.Problem == "" || k.CountryFile().Kind != "" || k.Country(netip.MustParseAddr("192.0.2.1")) != "" {
			t.Errorf("without a file: %+v", st)
		}
		give := func(file []byte) error { return k.GiveCountryFile(context.Background(), bytes.NewReader(file)) }
		if err := give(someCountries(t, 6)); err != nil {
			t.Fatal(err)
		}
		if changed() != "there" || spelled(k.Ranges(l)) != "192.0.2.0/25 198.51.100.0/24 2001:db8::/33" || k.Status(l)[0].Problem != "" {
			t.Errorf("the list is %q, %+v", spelled(k.Ranges(l)), k.Status(l))
		}
		if got := k.Country(netip.MustParseAddr("192.0.2.200")); got != "DE" {
			t.Errorf("the country is %q", got)
		}
		if err := give([]byte("<html>")); !errors.As(err, new(Fault)) || k.CountryFile().Kind != "Test-Country" || changed() != "" {
			t.Errorf("a web page: %v, and the file is %+v", err, k.CountryFile())
		}
		if err := give(mmdb(t, 4, placed{"198.51.100.0/24", inCountry("DE")})); err != nil {
			t.Fatal(err)
		}
		if changed() != "there" || len(k.Ranges(l)) != 0 || k.Status(l)[0].Problem == "" {
			t.Errorf("a file without the country: %q, %+v", spelled(k.Ranges(l)), k.Status(l))
		}
	})
	k := New(Options{Dir: dir, Log: slog.New(slog.DiscardHandler)})
	if f := k.CountryFile(); f.Kind != "Test-Country" || f.Size == 0 || !slices.Equal(f.Countries, []string{"DE"}) {
		t.Errorf("the next start knows %+v", f)
	}
	if left := must(filepath.Glob(filepath.Join(dir, "new-*"))); left != nil {
		t.Errorf("left are %v", left)
	}
}

func TestEntriesAreFoundByWhatTheyHold(t *testing.T) {
	dir, url := t.TempDir(), "https://one.example/"
	if err := (copies{dir}).put(label{URL: url}, must(Parse(strings.NewReader("192.0.2.0/24\n198.51.100.7\n203.0.113.0/25\n2001:db8::/32\n"))).Ranges); err != nil {
		t.Fatal(err)
	}
	k := New(Options{Dir: dir, Log: slog.New(slog.DiscardHandler)})
	l := List{URLs: []string{url}}
	at := netip.MustParseAddr
	rows := []struct {
		name          string
		meets         firewall.Range
		offset, limit int
		want          string
		total         int
	}{
		{"all", firewall.Range{}, 0, 2, "192.0.2.0/24 198.51.100.7", 4},
		{"the rest", firewall.Range{}, 2, 9, "203.0.113.0/25 2001:db8::/32", 4},
		{"beyond", firewall.Range{}, 7, 9, "", 4},
		{"one address", firewall.Range{First: at("192.0.2.9"), Last: at("192.0.2.9")}, 0, 9, "192.0.2.0/24", 1},
		{"one that no entry holds", firewall.Range{First: at("192.0.3.9"), Last: at("192.0.3.9")}, 0, 9, "", 0},
		{"a range that meets some", firewall.Range{First: at("192.0.2.255"), Last: at("198.51.100.7")}, 0, 9, "192.0.2.0/24 198.51.100.7", 2},
		{"one of IPv6", firewall.Range{First: at("2001:db8:ffff::"), Last: at("2001:db8:ffff::")}, 0, 9, "2001:db8::/32", 1},
		{"the last of IPv4", firewall.Range{First: at("255.255.255.255"), Last: at("255.255.255.255")}, 0, 9, "", 0},
	}
	for _, row := range rows {
		got, total := k.Entries(l, row.meets, row.offset, row.limit)
		if spelled(got) != row.want || total != row.total {
			t.Errorf("%s: %q of %d, want %q of %d", row.name, spelled(got), total, row.want, row.total)
		}
	}
}
