package office

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"strings"
	"time"
)

func httpGet(ctx context.Context, url string) (*http.Request, error) {
	return http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
}

// pagePassword is what the lab sets after the one-time password.
const pagePassword = "the lab's own password"

// page is a gateway's page and a way to it.
type page struct {
	gateway *Gateway
	addr    string
	dial    func(ctx context.Context, network, addr string) (net.Conn, error)
}

// hqPage is opened from the host, as by who runs the lab; branchPage from a PC
// in the branch, by the gateway's address there.
func (l *Office) hqPage() page {
	addr := os.Getenv(insideVar)
	return page{l.HQ, addr, func(ctx context.Context, _, _ string) (net.Conn, error) { return dialOutside(ctx, addr) }}
}

func (l *Office) branchPage() page {
	return page{l.Branch, branchLAN + ":8443", l.BranchPC.Dial}
}

// logIn logs in as a person would, and chooses a password the first time.
func (p page) logIn() (*http.Client, error) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return nil, err
	}
	client := &http.Client{Jar: jar, Timeout: 30 * time.Second, Transport: &http.Transport{
		// The certificate was made a moment ago by the gateway itself.
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true},
		DialContext:     p.dial,
	}}
	for _, password := range []string{p.gateway.Password(), pagePassword} {
		resp, err := client.PostForm(p.url("/login"), url.Values{"name": {"admin"}, "password": {password}})
		if err != nil {
			return nil, err
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusOK || strings.HasSuffix(resp.Request.URL.Path, "/login") {
			continue
		}
		if strings.HasSuffix(resp.Request.URL.Path, "/password") {
			resp, err := client.PostForm(p.url("/password"), url.Values{"password": {pagePassword}, "again": {pagePassword}})
			if err != nil {
				return nil, err
			}
			resp.Body.Close()
		}
		return client, nil
	}
	return nil, fmt.Errorf("the page accepts neither the one-time nor the new password")
}

func (p page) url(path string) string { return "https://" + p.addr + path }

// says looks for words on a page.
func (p page) says(ctx context.Context, path string, words ...string) error {
	client, err := p.logIn()
	if err != nil {
		return fmt.Errorf("page of %s: %w", p.gateway.Name, err)
	}
	defer client.CloseIdleConnections()
	req, err := httpGet(ctx, p.url(path))
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if err != nil {
		return fmt.Errorf("page of %s: %w", p.gateway.Name, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return err
	}
	for _, w := range words {
		if !strings.Contains(string(body), w) {
			return fmt.Errorf("page %s of %s (%s) does not say %q", path, p.gateway.Name, resp.Status, w)
		}
	}
	return nil
}
