package office

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"gatehouse/store"
	"gatehouse/web"
)

// Gateway is a machine that runs the gatehouse binary. The lab does to it only
// what an admin could do.
type Gateway struct {
	*Host
	binary, dir string
	page        *os.File // the page's socket, or nil

	mu       sync.Mutex
	cmd      *exec.Cmd
	done     chan struct{}
	ended    error // how it ended; read after done
	password string
	log      bytes.Buffer
}

// data is where the gateway keeps its files.
func (g *Gateway) data() string { return filepath.Join(g.dir, g.Name) }

// tool runs a gatehouse command beside the running gateway.
func (g *Gateway) tool(ctx context.Context, stdin io.Reader, args ...string) (string, error) {
	cmd := g.Command(ctx, g.binary, append(args, "--data", g.data())...)
	var out, errs strings.Builder
	cmd.Stdin, cmd.Stdout, cmd.Stderr = stdin, &out, &errs
	if err := g.Start(cmd); err != nil {
		return "", err
	}
	if err := cmd.Wait(); err != nil {
		return "", fmt.Errorf("gatehouse %s on %s: %s", args[0], g.Name, strings.TrimSpace(errs.String()))
	}
	return out.String(), nil
}

// Import makes a document the draft.
func (g *Gateway) Import(ctx context.Context, doc store.Document) error {
	text, err := doc.Marshal()
	if err != nil {
		return err
	}
	_, err = g.tool(ctx, bytes.NewReader(text), "config", "import", "-")
	return err
}

// Configure imports a document and applies it.
func (g *Gateway) Configure(ctx context.Context, doc store.Document) error {
	if err := g.Import(ctx, doc); err != nil {
		return err
	}
	_, err := g.tool(ctx, nil, "apply", "--now")
	return err
}

// Boot starts the gateway and waits until it answers.
func (g *Gateway) Boot(ctx context.Context) error {
	cmd := g.Command(context.WithoutCancel(ctx), g.binary, "run", "--data", g.data(), "--dataplane", "auto")
	if g.page != nil {
		cmd.ExtraFiles = []*os.File{g.page}
		cmd.Env = append(cmd.Env, "LISTEN_FDS=1")
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	cmd.Stderr = &lockedWriter{g}
	if err := g.Start(cmd); err != nil {
		return fmt.Errorf("start gatehouse on %s: %w", g.Name, err)
	}
	done := make(chan struct{})
	g.mu.Lock()
	g.cmd, g.done = cmd, done
	g.mu.Unlock()
	go func() {
		defer close(done)
		for lines := bufio.NewScanner(stdout); lines.Scan(); {
			if _, password, ok := strings.Cut(lines.Text(), "one-time password for admin: "); ok {
				g.mu.Lock()
				g.password = password
				g.mu.Unlock()
			}
		}
		g.ended = cmd.Wait()
	}()
	return until(ctx, 20*time.Second, "gatehouse on "+g.Name+" to answer", func() error {
		select {
		case <-done:
			return permanent{fmt.Errorf("gatehouse on %s ended:\n%s", g.Name, g.Log(2000))}
		default:
		}
		_, err := g.Status(ctx)
		return err
	})
}

type lockedWriter struct{ g *Gateway }

// maxLog bounds what is kept of a gateway's log.
const maxLog = 4 << 20

func (w *lockedWriter) Write(b []byte) (int, error) {
	w.g.mu.Lock()
	defer w.g.mu.Unlock()
	if w.g.log.Len() > maxLog {
		w.g.log.Reset()
	}
	return w.g.log.Write(b)
}

// Log is the end of the gateway's log.
func (g *Gateway) Log(n int) string {
	g.mu.Lock()
	defer g.mu.Unlock()
	text := g.log.String()
	return text[max(0, len(text)-n):]
}

// Password is the one-time password of the first start.
func (g *Gateway) Password() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.password
}

// PID of the running gateway.
func (g *Gateway) PID() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.cmd.Process.Pid
}

// stopTime is more than a gateway takes to say goodbye to its peers.
const stopTime = 10 * time.Second

// Stop ends the gateway with a signal and waits. A gateway that was asked
// politely must end without an error.
func (g *Gateway) Stop(s syscall.Signal) error {
	g.mu.Lock()
	cmd, done := g.cmd, g.done
	g.mu.Unlock()
	if cmd == nil {
		return nil
	}
	if err := cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	select {
	case <-done:
		if s == syscall.SIGTERM && g.ended != nil {
			return fmt.Errorf("gatehouse on %s: %w\n%s", g.Name, g.ended, g.Log(2000))
		}
		return nil
	case <-time.After(stopTime * patience):
		cmd.Process.Kill()
		return fmt.Errorf("gatehouse on %s did not end within %v of %v", g.Name, stopTime*patience, s)
	}
}

// Status asks the running gateway.
func (g *Gateway) Status(ctx context.Context) (web.Status, error) {
	var st web.Status
	out, err := g.tool(ctx, nil, "status", "--json")
	if err != nil {
		return st, err
	}
	return st, json.Unmarshal([]byte(out), &st)
}

// Databases are the SAs and policies in force, as the running gateway tells them.
func (g *Gateway) Databases(ctx context.Context) (sas []web.Association, policies []web.PolicyInForce, err error) {
	out, err := g.tool(ctx, nil, "ipsec", "sas", "--json")
	if err == nil {
		err = json.Unmarshal([]byte(out), &sas)
	}
	if err != nil {
		return nil, nil, err
	}
	if out, err = g.tool(ctx, nil, "ipsec", "policies", "--json"); err == nil {
		err = json.Unmarshal([]byte(out), &policies)
	}
	return sas, policies, err
}

// Tunnel is the state of one branch.
func (g *Gateway) Tunnel(ctx context.Context, branch string) (web.Tunnel, error) {
	st, err := g.Status(ctx)
	if err != nil {
		return web.Tunnel{}, err
	}
	for _, t := range st.Tunnels {
		if t.Branch == branch {
			return t, nil
		}
	}
	return web.Tunnel{}, fmt.Errorf("%s has no branch %s", g.Name, branch)
}

// WaitUp waits until a branch's tunnel is up.
func (g *Gateway) WaitUp(ctx context.Context, branch string) error {
	return until(ctx, 75*time.Second, fmt.Sprintf("the tunnel %s to %s", g.Name, branch), func() error {
		t, err := g.Tunnel(ctx, branch)
		if err == nil && t.State != web.TunnelUp {
			err = fmt.Errorf("it is %s, problem %+v", t.State, t.Problem)
		}
		return err
	})
}

// permanent stops until.
type permanent struct{ error }

// patience is how many times longer than on an ordinary machine everything may
// take: more in a guest, whose processor is a program.
var patience time.Duration = 1

// until tries f until it gives no error.
func until(ctx context.Context, limit time.Duration, what string, f func() error) error {
	limit *= patience
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for {
		err := f()
		var stop permanent
		if err == nil || errors.As(err, &stop) {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waited %v for %s: %w", limit, what, err)
		case <-time.After(150 * time.Millisecond * patience): // most tries start a program
		}
	}
}
