package lists

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
)

// get fetches what a handler sends. The URL names the loopback, so the guard lets
// it through.
func get(t *testing.T, handler http.HandlerFunc, had Version) (Download, error) {
	t.Helper()
	s := httptest.NewServer(handler)
	defer s.Close()
	return NewFetcher().Fetch(context.Background(), s.URL+"/list.txt", had)
}

func gzipped(t testing.TB, text []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write(text); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestFetchTakesListsOnly(t *testing.T) {
	const good = "192.0.2.1\n198.51.100.0/24\n"
	send := func(kind string, body []byte) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", kind)
			w.Write(body)
		}
	}
	// raw answers with bytes as they are, and ends the connection.
	raw := func(answer string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			conn, _, err := w.(http.Hijacker).Hijack()
			if err == nil {
				io.WriteString(conn, answer)
				conn.Close()
			}
		}
	}
	rows := []struct {
		name    string
		handler http.HandlerFunc
		fault   string // empty: the list is taken
	}{
		{"a text", send("text/plain; charset=utf-8", []byte(good)), ""},
		{"a table", send("text/csv", []byte(good)), ""},
		{"bytes", send("application/octet-stream", []byte(good)), ""},
		{"packed, as a file", send("application/gzip", gzipped(t, []byte(good))), ""},
		{"packed on the way", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/plain")
			w.Header().Set("Content-Encoding", "gzip")
			w.Write(gzipped(t, []byte(good)))
		}, ""},
		{"a few lines of something else", send("text/plain", []byte(good+"Copyright\n")), ""},
		{"an answer that ends with the connection", raw("HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\n" + good), ""},
		{"a web page", send("text/html", []byte("<html>")), "a web page"},
		{"a web page that says it is a text", send("text/plain", []byte("\n  <!DOCTYPE html>\n<html>192.0.2.1\n")), "a web page"},
		{"a picture", send("image/png", []byte("\x89PNG")), "image/png"},
		{"nothing", send("text/plain", nil), "empty"},
		{"comments only", send("text/plain", []byte("# none today\n")), "empty"},
		{"mostly something else", send("text/plain", []byte(good+"a\nb\nc\n")), "3 of 5 lines"},
		{"an error", func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, "192.0.2.1", http.StatusServiceUnavailable)
		}, "503"},
		{"a part", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusPartialContent) }, "206"},
		{"word that nothing is new, though nothing was had", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotModified) }, "304"},
		{"less than was said", raw("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 99\r\n\r\n" + good), "cut off"},
		{"pieces without the last one", raw("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\na\r\n192.0.2.1\n\r\n"), "cut off"},
		{"half a line at the end of the connection", raw("HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\n192.0.2.1\n192.0.2.2"), "cut off"},
		{"half of what was packed", send("application/gzip", gzipped(t, long(1000))[:1500]), "cut off"},
		{"too much", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/plain")
			io.Copy(w, io.LimitReader(endlessComment{}, MaxDownload+2))
		}, "larger than 16 MiB"},
		{"too much, as it says", raw("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 99999999\r\n\r\n"), "larger than 16 MiB"},
		{"a little that unpacks to too much", send("application/gzip", gzipped(t, bytes.Repeat([]byte("# nothing\n"), MaxDownload/10+1))), "larger than 16 MiB"},
		{"too many entries", send("text/plain", bytes.Repeat([]byte("1.1.1.1\n"), maxEntries+1)), "more than 500000"},
		{"no HTTP", raw("SSH-2.0-x\r\n"), "could not be reached"},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			d, err := get(t, row.handler, Version{})
			if row.fault == "" {
				if err != nil || spelled(d.Text.Ranges) != "192.0.2.1 198.51.100.0/24" {
					t.Errorf("got %v, %v", d.Text.Ranges, err)
				}
				return
			}
			if !errors.As(err, new(Fault)) || !strings.Contains(err.Error(), row.fault) {
				t.Errorf("the error is %v, want %q", err, row.fault)
			}
		})
	}
}

type endlessComment struct{}

func (endlessComment) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = '#'
	}
	return len(p), nil
}

func TestAListIsFetchedAgainOnlyWhenItIsNew(t *testing.T) {
	handler := func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("If-None-Match") == `"7"` && r.Header.Get("If-Modified-Since") == "Mon, 02 Nov 2026 10:00:00 GMT" {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		w.Header().Set("ETag", `"7"`)
		w.Header().Set("Last-Modified", "Mon, 02 Nov 2026 10:00:00 GMT")
		io.WriteString(w, "192.0.2.1\n")
	}
	first, err := get(t, handler, Version{})
	if err != nil || first.Unchanged {
		t.Fatal(first, err)
	}
	second, err := get(t, handler, first.Version)
	if err != nil || !second.Unchanged || second.Version != first.Version {
		t.Errorf("got %+v, %v", second, err)
	}
}

func TestRedirectsAreFollowedWithinReason(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var n int
		switch {
		case r.URL.Path == "/list":
			io.WriteString(w, "192.0.2.1\n")
		case r.URL.Path == "/file":
			http.Redirect(w, r, "file:///etc/passwd", http.StatusFound)
		case r.URL.Path == "/nowhere":
			w.WriteHeader(http.StatusFound)
		case r.URL.Path == "/inside":
			http.Redirect(w, r, "http://127.0.0.2:9/", http.StatusFound)
		default:
			fmt.Sscanf(r.URL.Path, "/%d", &n)
			to := fmt.Sprintf("/%d", n-1)
			if n <= 1 {
				to = "/list"
			}
			http.Redirect(w, r, to, http.StatusMovedPermanently)
		}
	}))
	defer s.Close()
	for path, fault := range map[string]string{
		"/5": "", "/6": "without an end", "/file": "is not fetched", "/nowhere": "does not say where", "/inside": "this gateway itself",
	} {
		d, err := NewFetcher().Fetch(context.Background(), s.URL+path, Version{})
		if fault == "" && (err != nil || d.Text.Entries != 1) || fault != "" && (err == nil || !strings.Contains(err.Error(), fault)) {
			t.Errorf("%s: %v, want %q", path, err, fault)
		}
	}
	if _, err := followed(&http.Response{
		StatusCode: http.StatusFound, Header: http.Header{"Location": {"http://lists.example/"}}, Request: &http.Request{},
	}, mustParse("https://lists.example/")); err == nil {
		t.Error("a redirect from https to http was followed")
	}
	for _, from := range []string{"file:///etc/passwd", "ftp://192.0.2.1/", "http://", "://", "gopher://x", "lists.example"} {
		if _, err := NewFetcher().Fetch(context.Background(), from, Version{}); !errors.As(err, new(Fault)) {
			t.Errorf("%s: %v", from, err)
		}
	}
}

func TestRequestsDoNotComeBackToTheGateway(t *testing.T) {
	g := guard{own: func() ([]netip.Addr, error) {
		return []netip.Addr{netip.MustParseAddr("203.0.113.5"), netip.MustParseAddr("10.1.0.1"), netip.MustParseAddr("2001:db8::5")}, nil
	}}
	at := netip.MustParseAddr
	rows := []struct {
		name string
		hop  hop
		to   string
		may  bool
	}{
		{"a server on the internet", hop{}, "198.51.100.7", true},
		{"of IPv6", hop{}, "2001:db8:1::1", true},
		{"a server inside that the admin's name leads to", hop{}, "10.1.0.9", true},
		{"a server inside that a server leads to", hop{redirected: true}, "10.1.0.9", false},
		{"of IPv6", hop{redirected: true}, "fd00::9", false},
		{"the gateway outside", hop{}, "203.0.113.5", false},
		{"the gateway inside", hop{}, "10.1.0.1", false},
		{"the gateway's IPv6", hop{}, "2001:db8::5", false},
		{"the gateway as the admin named it", hop{named: at("10.1.0.1")}, "10.1.0.1", true},
		{"another address than the admin named", hop{named: at("198.51.100.7")}, "10.1.0.1", false},
		{"the loopback", hop{}, "127.0.0.1", false},
		{"of IPv6", hop{}, "::1", false},
		{"in IPv6's clothes", hop{}, "::ffff:127.0.0.1", false},
		{"no address, which is the loopback", hop{}, "0.0.0.0", false},
		{"of IPv6", hop{}, "::", false},
		{"the cloud's own", hop{}, "169.254.169.254", false},
		{"of IPv6", hop{}, "fe80::1%eth0", false},
		{"a group", hop{}, "224.0.0.1", false},
	}
	for _, row := range rows {
		if err := g.permit(row.hop, at(row.to)); (err == nil) != row.may {
			t.Errorf("%s, %s: %v", row.name, row.to, err)
		}
	}
}

func TestANameThatLeadsToTheGatewayIsNotFetched(t *testing.T) {
	asked := false
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked = true }))
	defer s.Close()
	_, port, err := net.SplitHostPort(s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	_, err = NewFetcher().Fetch(context.Background(), "http://localhost:"+port+"/", Version{})
	if err == nil || !strings.Contains(err.Error(), "this gateway itself") || asked {
		t.Errorf("the error is %v, the server was asked: %v", err, asked)
	}
}

// FuzzDownload gives what a server may send to what reads it.
func FuzzDownload(f *testing.F) {
	f.Add("text/plain", []byte("192.0.2.1\n"))
	f.Add("application/gzip", gzipped(f, []byte("192.0.2.1\n")))
	f.Add("text/html;;", []byte("<html>"))
	f.Fuzz(func(t *testing.T, kind string, body []byte) {
		d, err := read(&http.Response{
			StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {kind}}, ContentLength: -1, Body: io.NopCloser(bytes.NewReader(body)),
		}, Version{})
		if err == nil && len(d.Text.Ranges) == 0 || err != nil && !errors.As(err, new(Fault)) {
			t.Fatalf("%v, %v", d, err)
		}
	})
}

func mustParse(s string) *url.URL {
	u, err := url.Parse(s)
	if err != nil {
		panic(err)
	}
	return u
}
