package office

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"os"
	"regexp"
	"strconv"
	"time"

	"gatehouse/store"
)

// How large an office is that the figures are for.
const (
	scaleBranches = 1_000
	scaleUsers    = 10_000
	scaleEntries  = 100_000
)

// scaleDocument is the branch's document with a thousand more branches, none
// of which is ever called, and a rule with a long list.
func scaleDocument() store.Document {
	doc := branchDocument(psk, 0)
	for i := range scaleBranches {
		doc.Branches = append(doc.Branches, store.Branch{
			Name: fmt.Sprintf("branch-%04d", i), Enabled: true, Start: store.StartAnswer,
			Peer:           netip.AddrFrom4([4]byte{192, 0, byte(i / 250), byte(1 + i%250)}).String(),
			LocalNetworks:  prefixes("10.2.0.0/24"),
			RemoteNetworks: []netip.Prefix{netip.PrefixFrom(netip.AddrFrom4([4]byte{172, byte(16 + i/256), byte(i % 256), 0}), 24)},
			PSK:            store.Secret(fmt.Sprintf("the key of branch %d", i)),
		})
	}
	list := store.List{Name: "blocked"}
	for i := range scaleEntries {
		// Every second address, so that nothing merges.
		a := netip.AddrFrom4([4]byte{100, byte(64 + i>>15), byte(i >> 7), byte(i << 1)})
		list.Entries = append(list.Entries, store.AddressRange{First: a, Last: a})
	}
	doc.Lists = []store.List{list}
	doc.Firewall.Rules = []store.Rule{{Name: "blocked", From: store.ZoneWAN, To: store.ZoneLAN, SourceLists: []string{"blocked"}, Action: store.Drop}}
	return doc
}

func scalePeople() ([]byte, error) {
	var all []store.User
	for i := range scaleUsers {
		all = append(all, store.User{Name: fmt.Sprintf("user-%05d", i), FullName: fmt.Sprintf("Person %d", i),
			Mail: fmt.Sprintf("user%d@office.example", i), Enabled: true, Password: "a password of ten thousand"})
	}
	return json.Marshal(all)
}

// Scale prints how a gateway does with a large configuration: times of the
// commands as an admin runs them, of the pages as a browser gets them, and the
// memory of the process. One row each with the bound that is promised.
func Scale(ctx context.Context, o Options) error {
	l, err := New(o)
	if err != nil {
		return err
	}
	defer l.Close()
	if err := l.Open(ctx, 0); err != nil {
		return err
	}
	doc, err := scaleDocument().Marshal()
	if err != nil {
		return err
	}
	people, err := scalePeople()
	if err != nil {
		return err
	}
	g := l.Branch
	fmt.Printf("\n%d branches, %d users, %d list entries, one process:\n\n| what | measured | bound |\n|---|---|---|\n", scaleBranches, scaleUsers, scaleEntries)
	timed := func(what, bound string, f func() error) error {
		start := time.Now()
		if err := f(); err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
		fmt.Printf("| %s | %.0f ms | %s |\n", what, float64(time.Since(start).Microseconds())/1000, bound)
		return nil
	}
	tool := func(stdin []byte, args ...string) func() error {
		return func() error {
			_, err := g.tool(ctx, bytes.NewReader(stdin), args...)
			return err
		}
	}
	err = errors.Join(
		timed("import of branches and list", "5000 ms with the users", tool(doc, "config", "import", "-")),
		timed("import of users", "", tool(people, "object", "import", "users", "-")),
		timed("export", "2000 ms with the users", tool(nil, "config", "export")),
		timed("export of users", "", tool(nil, "object", "export", "users")),
		timed("apply: plan, carry out, confirm", "", tool(nil, "apply", "--now")),
		timed("one more entry in the list", "", tool([]byte("203.0.113.250\n"), "object", "entries", "blocked", "-")),
	)
	if err != nil {
		return err
	}
	client, err := l.branchPage().logIn()
	if err != nil {
		return err
	}
	defer client.CloseIdleConnections()
	for _, path := range []string{"/", "/branches", "/objects/rules", "/objects/users", "/objects/users?from=9950", "/objects/users?q=user-07", "/objects/lists",
		"/objects/lists/entries?name=blocked&from=50000", "/history", "/audit", "/changes"} {
		if err := l.pageTime(ctx, client, path); err != nil {
			return err
		}
	}
	now, peak, err := memory(g.PID())
	if err != nil {
		return err
	}
	fmt.Printf("| memory of the process, now and at most | %d MB, %d MB | 150 MB |\n", now>>20, peak>>20)
	return nil
}

// pageTime prints the slowest of some requests, each answered anew.
func (l *Office) pageTime(ctx context.Context, client *http.Client, path string) error {
	const requests = 20
	var slowest time.Duration
	size := 0
	for range requests {
		req, err := httpGet(ctx, l.branchPage().url(path))
		if err != nil {
			return err
		}
		start := time.Now()
		resp, err := client.Do(req)
		if err != nil {
			return err
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || resp.StatusCode != http.StatusOK {
			return fmt.Errorf("page %s: %s %w", path, resp.Status, err)
		}
		slowest, size = max(slowest, time.Since(start)), len(body)
	}
	bound := "100 ms"
	if path == "/changes" {
		bound = "1000 ms: compile and compare the rules"
	}
	fmt.Printf("| page %s, the slowest of %d (%d kB) | %.1f ms | %s |\n", path, requests, size/1000, float64(slowest.Microseconds())/1000, bound)
	return nil
}

// memory is what a process has in RAM now, and had at most, in bytes.
func memory(pid int) (now, peak int, err error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, 0, err
	}
	read := func(field string) int {
		m := regexp.MustCompile(field + `:\s+(\d+) kB`).FindSubmatch(text)
		if m == nil {
			err = errors.Join(err, fmt.Errorf("no %s in the status of process %d", field, pid))
			return 0
		}
		n, _ := strconv.Atoi(string(m[1]))
		return n << 10
	}
	now, peak = read("VmRSS"), read("VmHWM")
	return now, peak, err
}
