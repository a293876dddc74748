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

// browser logs in to hq's page as a person on the host would.
func (l *Office) browser(ctx context.Context) (*http.Client, string, error) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return nil, "", err
	}
	client := &http.Client{Jar: jar, Timeout: 30 * time.Second, Transport: &http.Transport{
		// The certificate was made a moment ago by the gateway itself.
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true},
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return dialOutside(ctx, os.Getenv(insideVar))
		},
	}}
	base := "https://" + os.Getenv(insideVar)
	for _, password := range []string{l.HQ.Password(), pagePassword} {
		resp, err := client.PostForm(base+"/login", url.Values{"name": {"admin"}, "password": {password}})
		if err != nil {
			return nil, "", err
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusOK || strings.HasSuffix(resp.Request.URL.Path, "/login") {
			continue
		}
		if strings.HasSuffix(resp.Request.URL.Path, "/password") {
			resp, err := client.PostForm(base+"/password", url.Values{"password": {pagePassword}, "again": {pagePassword}})
			if err != nil {
				return nil, "", err
			}
			resp.Body.Close()
		}
		return client, base, nil
	}
	return nil, "", fmt.Errorf("the page accepts neither the one-time nor the new password")
}

// pageSays looks for words on a page of hq.
func (l *Office) pageSays(ctx context.Context, path string, words ...string) error {
	client, base, err := l.browser(ctx)
	if err != nil {
		return fmt.Errorf("page: %w", err)
	}
	req, err := httpGet(ctx, base+path)
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if err != nil {
		return fmt.Errorf("page: %w", err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return err
	}
	for _, w := range words {
		if !strings.Contains(string(body), w) {
			return fmt.Errorf("page %s (%s) does not say %q", path, resp.Status, w)
		}
	}
	return nil
}
