package lists

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Bounds of a download.
const (
	MaxDownload   = 16 << 20 // bytes, packed and unpacked
	fetchTimeout  = 2 * time.Minute
	headerTimeout = 30 * time.Second
	maxRedirects  = 5
	maxVersion    = 512 // bytes of an entity tag that is kept
)

// Fetcher fetches texts over HTTP. It asks no proxy: the guard must see where a
// connection goes.
type Fetcher struct {
	guard guard
	// client follows nothing by itself.
	client http.Client
}

// NewFetcher makes a Fetcher for this machine.
func NewFetcher() *Fetcher { return newFetcher(guard{own: ownAddresses}) }

func newFetcher(g guard) *Fetcher {
	f := &Fetcher{guard: g}
	f.client = http.Client{
		Transport: &http.Transport{
			DialContext: f.guard.dial, DisableKeepAlives: true, DisableCompression: true,
			TLSHandshakeTimeout: headerTimeout, ResponseHeaderTimeout: headerTimeout, MaxResponseHeaderBytes: 64 << 10,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return f
}

// Version is how a server names a state of a text (RFC 9110 8.8).
type Version struct {
	ETag     string `json:"etag,omitempty"`
	Modified string `json:"modified,omitempty"`
}

// Download is a text that was fetched, or word that nothing is new.
type Download struct {
	Text      Text
	Version   Version
	Unchanged bool
}

// Fetch gets a text, unless it is still the one of a version that was had. It
// refuses what is no list; the error is a Fault.
func (f *Fetcher) Fetch(ctx context.Context, from string, had Version) (Download, error) {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	at, err := url.Parse(from)
	if err != nil {
		return Download{}, Fault{"The address is not one of a web server", err}
	}
	where := hop{named: named(at)}
	for range maxRedirects + 1 {
		resp, err := f.get(withHop(ctx, where), at, had)
		if err != nil {
			return Download{}, err
		}
		next, err := followed(resp, at)
		if err != nil || next == nil {
			if err != nil {
				resp.Body.Close()
				return Download{}, err
			}
			return read(resp, had)
		}
		resp.Body.Close()
		at, where.redirected = next, true
	}
	return Download{}, Fault{"The server leads from one address to the next without an end", nil}
}

func (f *Fetcher) get(ctx context.Context, at *url.URL, had Version) (*http.Response, error) {
	if at.Scheme != "http" && at.Scheme != "https" || at.Host == "" {
		return nil, Fault{fmt.Sprintf("%s is not fetched, only http and https are", at.Redacted()), nil}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, at.String(), nil)
	if err != nil {
		return nil, Fault{"The address is not one of a web server", err}
	}
	req.Header.Set("User-Agent", "Gatehouse")
	req.Header.Set("Accept", "text/plain, text/*;q=0.9, application/octet-stream;q=0.5")
	req.Header.Set("Accept-Encoding", "gzip")
	if had.ETag != "" {
		req.Header.Set("If-None-Match", had.ETag)
	}
	if had.Modified != "" {
		req.Header.Set("If-Modified-Since", had.Modified)
	}
	resp, err := f.client.Do(req)
	var refused Fault
	switch {
	case errors.As(err, &refused):
		return nil, refused
	case err != nil:
		var u *url.Error
		if errors.As(err, &u) {
			err = u.Err
		}
		return nil, Fault{"The server could not be reached", err}
	}
	return resp, nil
}

// followed is where an answer leads; nil if it is the last one.
func followed(resp *http.Response, from *url.URL) (*url.URL, error) {
	switch resp.StatusCode {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
	default:
		return nil, nil
	}
	to, err := resp.Location()
	if err != nil {
		return nil, Fault{"The server leads elsewhere and does not say where", nil}
	}
	if from.Scheme == "https" && to.Scheme != "https" {
		return nil, Fault{fmt.Sprintf("The server leads to %s, which is not protected", to.Redacted()), nil}
	}
	return to, nil
}

// read takes what a server sent, if it is a list and whole.
func read(resp *http.Response, had Version) (Download, error) {
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusNotModified && had != (Version{}) {
		return Download{Version: had, Unchanged: true}, nil
	}
	if resp.StatusCode != http.StatusOK {
		return Download{}, Fault{"The server answered " + resp.Status, nil}
	}
	if err := isText(resp.Header.Get("Content-Type")); err != nil {
		return Download{}, err
	}
	if resp.ContentLength > MaxDownload {
		return Download{}, tooLong
	}
	body := &lastByte{from: &bounded{from: resp.Body, left: MaxDownload, over: tooLong}}
	content := bufio.NewReader(body)
	plain := io.Reader(content)
	packed, _ := content.Peek(2)
	if bytes.Equal(packed, []byte{0x1f, 0x8b}) { // RFC 1952 2.3.1
		unpacked, err := gzip.NewReader(content)
		if err != nil {
			return Download{}, unread(err)
		}
		content = bufio.NewReader(&bounded{from: unpacked, left: MaxDownload, over: tooLong})
		plain = content
	}
	if head, _ := content.Peek(256); isPage(head) {
		return Download{}, webPage
	}
	text, err := Parse(plain)
	if err != nil {
		return Download{}, unread(err)
	}
	switch {
	case resp.ContentLength < 0 && len(resp.TransferEncoding) == 0 && len(packed) > 0 && packed[0] != 0x1f && body.last != '\n':
		// Only the end of the connection says where it ends (RFC 9112 6.3).
		return Download{}, cut
	case text.Entries == 0 && text.Wrong == 0:
		return Download{}, Fault{"The list was empty", nil}
	case text.Wrong > text.Entries:
		return Download{}, Fault{fmt.Sprintf("It does not look like a list of addresses: %d of %d lines have none. The first is %s",
			text.Wrong, text.Wrong+text.Entries, text.FirstWrong[0]), nil}
	}
	d := Download{Text: text, Version: Version{resp.Header.Get("ETag"), resp.Header.Get("Last-Modified")}}
	if len(d.Version.ETag)+len(d.Version.Modified) > maxVersion {
		d.Version = Version{}
	}
	return d, nil
}

// What a download can be instead of a list.
var (
	tooLong = Fault{fmt.Sprintf("The list is larger than %d MiB", MaxDownload>>20), nil}
	webPage = Fault{"The server sent a web page, not a list", nil}
	cut     = Fault{"The download was cut off", nil}
)

func unread(err error) error {
	var already Fault
	switch {
	case errors.As(err, &already):
		return already
	case errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF):
		return cut
	}
	return Fault{"The list could not be read", err}
}

// isText refuses what says of itself that it is something else.
func isText(header string) error {
	kind, _, err := mime.ParseMediaType(header)
	switch {
	case header == "" || strings.HasPrefix(kind, "text/") && kind != "text/html":
	case kind == "application/octet-stream" || kind == "application/gzip" || kind == "application/x-gzip":
	case kind == "text/html" || kind == "application/xhtml+xml":
		return webPage
	case err != nil:
		return Fault{"The server does not say what it sent", err}
	default:
		return Fault{"The server sent " + kind + ", not a text", nil}
	}
	return nil
}

// isPage knows a web page that calls itself a plain text.
func isPage(head []byte) bool {
	head = bytes.ToLower(bytes.TrimSpace(bytes.TrimPrefix(head, []byte("\ufeff"))))
	return bytes.HasPrefix(head, []byte("<!doctype")) || bytes.HasPrefix(head, []byte("<html")) || bytes.HasPrefix(head, []byte("<?xml"))
}

// bounded ends with an error where io.LimitReader would end as if all were well.
type bounded struct {
	from io.Reader
	left int
	over Fault // the error
}

func (b *bounded) Read(p []byte) (int, error) {
	n, err := b.from.Read(p)
	if b.left -= n; b.left < 0 {
		return 0, b.over
	}
	return n, err
}

// lastByte remembers how a text ended.
type lastByte struct {
	from io.Reader
	last byte
}

func (l *lastByte) Read(p []byte) (int, error) {
	n, err := l.from.Read(p)
	if n > 0 {
		l.last = p[n-1]
	}
	return n, err
}
