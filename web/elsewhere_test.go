package web

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"gatehouse/store"
)

// keptLists are lists from elsewhere as the pages see them.
type keptLists struct {
	sources map[string][]ListSource
	entries []store.AddressRange
	fetched []string
	country CountryFile
}

func (k *keptLists) ListSources(name string) ([]ListSource, bool) {
	s, ok := k.sources[name]
	return s, ok
}

func (k *keptLists) FetchedEntries(_ string, meets store.AddressRange, offset, limit int) (found []store.AddressRange, total int) {
	for _, r := range k.entries {
		if meets.First.IsValid() && (meets.Last.Less(r.First) || r.Last.Less(meets.First)) {
			continue
		}
		if total++; total > offset && len(found) < limit {
			found = append(found, r)
		}
	}
	return found, total
}

func (k *keptLists) FetchList(name string) bool {
	_, ok := k.sources[name]
	k.fetched = append(k.fetched, name)
	return ok
}

func (k *keptLists) CountryFile() CountryFile { return k.country }

func (k *keptLists) GiveCountryFile(_ context.Context, from io.Reader) error {
	text, err := io.ReadAll(from)
	if err != nil {
		return err
	}
	if string(text) != "good" {
		return store.ValidationError{{Field: "file", Code: "format", Message: "This is no file of countries"}}
	}
	k.country = CountryFile{Kind: "GeoLite2-Country", Built: time.Now(), Given: time.Now(), Size: int64(len(text)), Countries: []string{"DE", "NL"}}
	return nil
}

// blockList is a site with a list of three sources.
func blockList(t *testing.T) *site {
	s := newSite(t)
	if _, err := s.db.PutObject(t.Context(), "list", "", "", store.Input{Form: map[string]string{"name": "bad", "urls": "https://lists.example/drop.txt"}}); err != nil {
		t.Fatal(err)
	}
	s.gateway.sources = map[string][]ListSource{"bad": {
		{Kind: "url", From: "https://lists.example/drop.txt", Entries: 1200, Fetched: s.clock().Add(-3 * time.Hour), Next: s.clock().Add(time.Hour),
			Problem: "The server answered 503", Failing: s.clock().Add(-time.Hour), Wrong: 2, FirstWrong: []string{`line 7: "<b>"`}},
		{Kind: "name", From: "www.example.org", Entries: 2, Fetched: s.clock(), Addresses: []string{"192.0.2.1", "2001:db8::1"}},
		{Kind: "country", From: "NL", Problem: "There is no file of countries yet"},
	}}
	for i := range 120 {
		a := netip.AddrFrom4([4]byte{192, 0, 2, byte(i)})
		s.gateway.entries = append(s.gateway.entries, store.AddressRange{First: a, Last: a})
	}
	return s
}

func TestAListSaysWhereItComesFrom(t *testing.T) {
	s := blockList(t)
	b := s.loggedIn(t)
	b.get("/objects/lists").want(t, http.StatusOK, "From elsewhere", "In part", "1202 entries", "/objects/lists/elsewhere?name=bad")
	page := b.get("/objects/lists/elsewhere?name=bad")
	page.want(t, http.StatusOK, "https://lists.example/drop.txt", "Old", "The server answered 503", "1200", "2 lines are no addresses", "line 7: &#34;&lt;b&gt;&#34;",
		"192.0.2.1, 2001:db8::1", "Fresh", "There is no file of countries yet", "1 to 50 of 120")
	b.get("/objects/lists/elsewhere?name=bad&from=100").want(t, http.StatusOK, "101 to 120 of 120", "192.0.2.119")
	b.get("/objects/lists/elsewhere?name=bad&q=192.0.2.7").want(t, http.StatusOK, "1 to 1 of 1")
	b.get("/objects/lists/elsewhere?name=bad&q=198.51.100.1").want(t, http.StatusOK, "No entry holds it")
	b.get("/objects/lists/elsewhere?name=bad&q=nonsense").want(t, http.StatusUnprocessableEntity, "is not an address")
	b.get("/objects/lists/elsewhere?name=other").want(t, http.StatusNotFound, "is not in force")
	b.get("/objects/lists/entries?name=bad").want(t, http.StatusOK, "What comes from elsewhere")
}

func TestOperatorsFetchListsAndViewersDoNot(t *testing.T) {
	s := blockList(t)
	s.account(t, "vera", store.RoleViewer).post("/objects/lists/fetch?name=bad").want(t, http.StatusForbidden)
	b := s.account(t, "oscar", store.RoleOperator)
	b.post("/objects/lists/fetch?name=bad").want(t, http.StatusSeeOther)
	b.get("/objects/lists/elsewhere?name=bad").want(t, http.StatusOK, "List bad is being fetched.")
	b.post("/objects/lists/fetch?name=other").want(t, http.StatusNotFound)
	if strings.Join(s.gateway.fetched, " ") != "bad other" {
		t.Errorf("fetched %v", s.gateway.fetched)
	}
}

func TestTheAPIOfListsFromElsewhere(t *testing.T) {
	s := blockList(t)
	b := s.loggedIn(t)
	b.get("/api/v1/firewall/lists/bad").want(t, http.StatusOK, `"from":"https://lists.example/drop.txt"`, `"problem":"The server answered 503"`)
	b.get("/api/v1/firewall/lists/other").want(t, http.StatusNotFound)
	b.get("/api/v1/firewall/lists/bad/entries?limit=2&from=3").want(t, http.StatusOK, `{"items":["192.0.2.3","192.0.2.4"],"total":120,"next":5}`)
	b.get("/api/v1/firewall/lists/bad/entries?q=192.0.2.7/32").want(t, http.StatusOK, `{"items":["192.0.2.7"],"total":1}`)
	b.get("/api/v1/firewall/lists/bad/entries?q=x").want(t, http.StatusUnprocessableEntity, `"field":"q"`)
	b.get("/api/v1/firewall/lists/other/entries").want(t, http.StatusNotFound)
	b.post("/api/v1/firewall/lists/bad/fetch").want(t, http.StatusAccepted)
	b.post("/api/v1/firewall/lists/other/fetch").want(t, http.StatusNotFound)
}

// upload posts a form with one file.
func (b *browser) upload(field, name, content string) answer {
	b.t.Helper()
	var body bytes.Buffer
	w := multipart.NewWriter(&body)
	if err := w.WriteField("other", "x"); err != nil {
		b.t.Fatal(err)
	}
	part, err := w.CreateFormFile(field, name)
	if err == nil {
		_, err = io.WriteString(part, content)
	}
	if err = errors.Join(err, w.Close()); err != nil {
		b.t.Fatal(err)
	}
	req, err := http.NewRequest(http.MethodPost, b.site.URL+"/firewall/countries", &body)
	if err != nil {
		b.t.Fatal(err)
	}
	req.Header.Set("Content-Type", w.FormDataContentType())
	return b.do(req)
}

func TestACountryFileIsGiven(t *testing.T) {
	s := newSite(t)
	b := s.loggedIn(t)
	b.get("/firewall/countries").want(t, http.StatusOK, "There is none yet")
	b.upload("file", "country.mmdb", "bad").want(t, http.StatusUnprocessableEntity, "This is no file of countries")
	b.upload("wrong", "country.mmdb", "good").want(t, http.StatusUnprocessableEntity, "Choose a file.")
	b.upload("file", "", "").want(t, http.StatusUnprocessableEntity, "Choose a file.")
	b.post("/firewall/countries").want(t, http.StatusUnprocessableEntity, "Choose a file.")
	s.account(t, "oscar", store.RoleOperator).upload("file", "country.mmdb", "good").want(t, http.StatusForbidden)
	b.upload("file", "country.mmdb", "good").want(t, http.StatusSeeOther)
	b.get("/firewall/countries").want(t, http.StatusOK, "GeoLite2-Country", "data created by MaxMind", "Replace it")
	put := func(body io.Reader) answer {
		req, err := http.NewRequest(http.MethodPut, s.URL+"/api/v1/firewall/country-file", body)
		if err != nil {
			t.Fatal(err)
		}
		return b.do(req)
	}
	put(strings.NewReader("good")).want(t, http.StatusOK, `"countries":["DE","NL"]`)
	put(strings.NewReader("bad")).want(t, http.StatusUnprocessableEntity, `"field":"file"`)
	b.get("/api/v1/firewall/country-file").want(t, http.StatusOK, `"kind":"GeoLite2-Country"`)
}

func TestALargeUploadIsNotReadWhole(t *testing.T) {
	err := tooLarge(fmt.Errorf("read: %w", &http.MaxBytesError{Limit: 1}))
	var found store.ValidationError
	if !errors.As(err, &found) || found[0].Field != "file" {
		t.Errorf("the error is %v", err)
	}
	for path, limit := range map[string]int64{"/firewall/countries": maxCountryFile, "/api/v1/firewall/country-file": maxCountryFile, "/firewall/log": maxBody} {
		r, err := http.NewRequest(http.MethodPost, path, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		r.Body = io.NopCloser(endless{})
		limitBody(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			if n, err := io.Copy(io.Discard, r.Body); n != limit || err == nil {
				t.Errorf("%s: %d bytes were read, %v", path, n, err)
			}
		})).ServeHTTP(nil, r)
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }
