package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"gatehouse/web"
)

// page is the admin's web server.
type page struct {
	listener net.Listener
	server   *http.Server
}

func newPage(g *gateway, o runOptions) (*page, error) {
	handler, err := web.New(web.Options{Store: g.db, Gateway: g, Log: g.log, Now: time.Now})
	if err != nil {
		return nil, fmt.Errorf("page: %w", err)
	}
	names, addrs := g.pageNames()
	cert, err := web.LoadOrCreateCertificate(o.dir, names, addrs)
	if err != nil {
		return nil, fmt.Errorf("page: %w", err)
	}
	listener, err := pageListener(o.listen)
	if err != nil {
		return nil, err
	}
	return &page{listener: listener, server: &http.Server{
		Handler:           handler,
		ConnContext:       web.ConnContext,
		TLSConfig:         &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12},
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       30 * time.Second,
		WriteTimeout:      60 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    32 << 10,
		// Handshake errors of scanners are no news.
		ErrorLog: slog.NewLogLogger(g.log.Handler(), slog.LevelDebug),
	}}, nil
}

// pageNames are what the certificate of the first start is made out to.
func (g *gateway) pageNames() ([]string, []net.IP) {
	names := []string{"gatehouse", "localhost"}
	if n := g.doc.System.Name; n != "" {
		names = append(names, n)
	}
	addrs := []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback}
	for _, i := range g.doc.Interfaces {
		for _, a := range i.Addresses {
			addrs = append(addrs, a.Addr().AsSlice())
		}
	}
	return names, addrs
}

func (p *page) serve(ctx context.Context) error {
	return serveHTTP(ctx, p.server, func() error { return p.server.ServeTLS(p.listener, "", "") })
}

// serveHTTP serves until ctx ends, then lets requests finish for two seconds.
func serveHTTP(ctx context.Context, s *http.Server, serve func() error) error {
	done := make(chan error, 1)
	go func() { done <- serve() }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	if err := s.Shutdown(grace); err != nil {
		s.Close()
	}
	if err := <-done; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
