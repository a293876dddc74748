package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/go-chi/chi/v5"
	"golang.org/x/sys/unix"

	"gatehouse/store"
	"gatehouse/web"
)

// The control socket is how other gatehouse commands reach the running
// gateway. Who may open it (mode 0600 in a 0700 directory) may do everything.
const (
	socketName = "gatehouse.sock"
	lockName   = "lock"
	// commandLine is the author of what came by the socket.
	commandLine = "command line"
)

// errNotRunning says that no gateway runs on this directory.
var errNotRunning = errors.New("no gatehouse is running here")

// lockDirectory makes sure that one gateway at most runs on a directory. The
// kernel drops the lock when the process dies, however it dies.
func lockDirectory(dir string) (unlock func(), err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("data directory: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(dir, lockName), os.O_CREATE|os.O_RDWR|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		return nil, fmt.Errorf("another gatehouse already runs on %s", dir)
	}
	return func() { f.Close() }, nil
}

type control struct {
	listener net.Listener
	server   *http.Server
}

func newControl(g *gateway, dir string) (*control, error) {
	path := filepath.Join(dir, socketName)
	// The lock is ours, so a socket that is there belongs to a dead process.
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("control socket: %w", err)
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("control socket: %w", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		l.Close()
		return nil, fmt.Errorf("control socket: %w", err)
	}
	r := chi.NewRouter()
	r.Use(func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			next.ServeHTTP(w, req.WithContext(store.WithActor(req.Context(), store.Actor{Name: commandLine})))
		})
	})
	r.Get("/status", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if err := json.NewEncoder(w).Encode(g.Status()); err != nil {
			g.log.Debug("status was not read", "err", err)
		}
	})
	r.Post("/apply", func(w http.ResponseWriter, req *http.Request) {
		// Who asked may go away; the apply goes on to its end.
		window, err := time.ParseDuration(req.URL.Query().Get("window"))
		if err == nil {
			err = g.Apply(context.WithoutCancel(req.Context()), web.Order{
				Author: commandLine, Message: req.URL.Query().Get("message"), Window: window,
			})
		}
		answer(w, err)
	})
	r.Post("/confirm", func(w http.ResponseWriter, req *http.Request) {
		answer(w, g.Confirm(context.WithoutCancel(req.Context()), 0, commandLine))
	})
	r.Post("/take-back", func(w http.ResponseWriter, req *http.Request) {
		answer(w, g.TakeBack(context.WithoutCancel(req.Context()), commandLine))
	})
	r.Post("/reconnect/{branch}", func(w http.ResponseWriter, req *http.Request) {
		answer(w, g.Reconnect(req.Context(), chi.URLParam(req, "branch")))
	})
	g.firewallRoutes(r)
	g.databaseRoutes(r)
	return &control{listener: l, server: &http.Server{Handler: r, ReadHeaderTimeout: 5 * time.Second}}, nil
}

func answer(w http.ResponseWriter, err error) {
	if err != nil {
		http.Error(w, err.Error(), http.StatusConflict)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func (c *control) serve(ctx context.Context) error {
	return serveHTTP(ctx, c.server, func() error { return c.server.Serve(c.listener) })
}

func (c *control) close() { c.listener.Close() }

// ask sends one request to the gateway that runs on dir.
func ask(ctx context.Context, dir, method, path string) ([]byte, error) {
	return send(ctx, dir, method, path, nil, time.Minute)
}

// send is ask with a body, and a time that this may take.
func send(ctx context.Context, dir, method, path string, body io.Reader, within time.Duration) ([]byte, error) {
	client := http.Client{Timeout: within, Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			conn, err := (&net.Dialer{}).DialContext(ctx, "unix", filepath.Join(dir, socketName))
			if err != nil {
				// On a read-only disk the gateway runs from a copy.
				if other, otherErr := (&net.Dialer{}).DialContext(ctx, "unix", filepath.Join(copyOf(dir), socketName)); otherErr == nil {
					conn, err = other, nil
				}
			}
			if errors.Is(err, os.ErrNotExist) || errors.Is(err, unix.ECONNREFUSED) {
				return nil, errNotRunning
			}
			return conn, err
		},
	}}
	req, err := http.NewRequestWithContext(ctx, method, "http://gatehouse"+path, body)
	if err != nil {
		return nil, err
	}
	resp, err := client.Do(req)
	if err != nil {
		var u *url.Error
		if errors.As(err, &u) {
			err = u.Err
		}
		return nil, err
	}
	defer resp.Body.Close()
	said, err := io.ReadAll(io.LimitReader(resp.Body, 16<<20))
	if err != nil {
		return nil, err
	}
	if resp.StatusCode >= 300 {
		return nil, errors.New(string(bytes.TrimSpace(said)))
	}
	return said, nil
}

// askStatus reads the status of the gateway that runs on dir.
func askStatus(ctx context.Context, dir string) (web.Status, error) {
	var st web.Status
	body, err := ask(ctx, dir, http.MethodGet, "/status")
	if err != nil {
		return st, err
	}
	return st, json.Unmarshal(body, &st)
}
