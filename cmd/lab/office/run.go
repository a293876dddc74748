package office

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"golang.org/x/term"
)

// Run shows the product until ctx ends.
func Run(ctx context.Context, o Options) error {
	fmt.Println("Starting two offices on a small internet ...")
	l, err := New(o)
	if err != nil {
		return err
	}
	defer l.Close()
	if err := l.Open(ctx, 0); err != nil {
		return err
	}
	if err := l.showList(ctx); err != nil {
		return err
	}
	fmt.Printf(`
The tunnel between hq and branch is up.

  page      https://%s/   (its certificate is self-signed)
  user      admin
  password  %s   (good for one login)

Ctrl-C ends everything and leaves nothing behind.

`, os.Getenv(insideVar), l.HQ.Password())
	go l.traffic(ctx)
	l.watch(ctx, os.Stdout, term.IsTerminal(int(os.Stdout.Fd())))
	fmt.Println("\nStopping ...")
	return nil
}

// watch prints the state, in one line that changes on a terminal, else in a
// new line now and then.
func (l *Office) watch(ctx context.Context, out io.Writer, terminal bool) {
	every, end := 10*time.Second, "\n"
	if terminal {
		every, end = time.Second, "\x1b[K\r"
	}
	for {
		if st, err := l.HQ.Status(ctx); err == nil && len(st.Tunnels) > 0 {
			t := st.Tunnels[0]
			fmt.Fprintf(out, "tunnel %-10s  received %8.2f MB  sent %8.2f MB  rekeys %d  blocked packets %d%s",
				t.State, float64(t.BytesIn)/1e6, float64(t.BytesOut)/1e6, t.Rekeys, st.Blocked, end)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(every):
		}
	}
}

// traffic is a little life: the office fetches something from the branch, and
// mallory knocks at one port.
func (l *Office) traffic(ctx context.Context) {
	client := l.HQPC.Client()
	for {
		if resp, err := client.Get("http://" + branchPC + "/bytes/200000"); err == nil {
			io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
		}
		if conn, err := l.Mallory.Dial(ctx, "tcp", net.JoinHostPort(hqWAN, "22")); err == nil {
			conn.Close()
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(2 * time.Second):
		}
	}
}
