package office

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"gatehouse/store"
)

// strongSwan is Debian's daemon on the partner's machine, with ESP in its own
// process (kernel-libipsec), because the host's kernel has none.
type strongSwan struct {
	host *Host
	dir  string
	cmd  *exec.Cmd
	mu   sync.Mutex
	log  bytes.Buffer
}

func (s *strongSwan) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.log.Write(b)
}

func (s *strongSwan) tail() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	text := s.log.String()
	return text[max(0, len(text)-3000):]
}

const partnerKey = "partner-key-91b7c6d2"

// connection is what the partner's admin would write.
const swanctlConf = `connections {
  hq {
    version = 2
    local_addrs = ` + partnerWAN + `
    remote_addrs = ` + hqWAN + `
    encap = yes
    proposals = aes256gcm16-prfsha256-x25519,aes256-sha256-modp2048
    rekey_time = 0
    local { auth = psk
      id = ` + partnerWAN + ` }
    remote { auth = psk
      id = ` + hqWAN + ` }
    children {
      net {
        local_ts = 10.3.0.0/24
        remote_ts = 10.1.0.0/24
        esp_proposals = aes256gcm16,aes256-sha256
        rekey_time = %ds
        start_action = none
      }
    }
  }
}
secrets {
  ike-hq { secret = "` + partnerKey + `" }
}
`

const strongswanConf = `charon-systemd {
  load_modular = no
  load = random nonce openssl x509 pem pkcs1 pkcs8 pubkey hmac kdf gcm aes sha2 curve25519 kernel-libipsec kernel-netlink socket-default vici updown
  %[2]s
  journal { default = -1 }
  syslog { daemon { default = -1 } }
  filelog { err { path = /dev/stderr
    default = 1
    ike = 2 } }
  plugins { vici { socket = unix://%[1]s/charon.vici } }
}
swanctl { socket = unix://%[1]s/charon.vici
  load = random nonce openssl x509 pem pkcs1 pkcs8 pubkey }
`

func (l *Office) startStrongSwan(ctx context.Context, conf string, files map[string]string) (*strongSwan, error) {
	return startCharon(ctx, l.Partner, l.dir, conf, files)
}

// startCharon starts strongSwan on a machine, with files below dir: a
// swanctl.conf, and what else its directory has. more are lines of strongswan.conf.
func startCharon(ctx context.Context, host *Host, dir, conf string, files map[string]string, more ...string) (*strongSwan, error) {
	s := &strongSwan{host: host, dir: filepath.Join(dir, fmt.Sprintf("strongswan-%d", time.Now().UnixNano()))}
	write := func(name, text string) error {
		path := filepath.Join(s.dir, name)
		return errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(text), 0o600))
	}
	err := errors.Join(write("strongswan.conf", fmt.Sprintf(strongswanConf, s.dir, strings.Join(more, "\n  "))), write("swanctl/swanctl.conf", conf))
	for name, text := range files {
		err = errors.Join(err, write("swanctl/"+name, text))
	}
	if err != nil {
		return nil, err
	}
	s.cmd = s.command(context.WithoutCancel(ctx), "charon-systemd")
	s.cmd.Stdout, s.cmd.Stderr = s, s
	if err := s.host.Start(s.cmd); err != nil {
		return nil, fmt.Errorf("start strongSwan: %w", err)
	}
	err = until(ctx, 15*time.Second, "strongSwan to take its configuration", func() error {
		_, err := s.swanctl(ctx, "--load-all", "--noprompt")
		return err
	})
	if err != nil {
		s.stop()
		return nil, fmt.Errorf("%w\n%s", err, s.tail())
	}
	return s, nil
}

func (s *strongSwan) command(ctx context.Context, name string, args ...string) *exec.Cmd {
	if path, err := exec.LookPath("/usr/sbin/" + name); err == nil {
		name = path
	}
	cmd := s.host.Command(ctx, name, args...)
	cmd.Env = append(cmd.Env, "STRONGSWAN_CONF="+filepath.Join(s.dir, "strongswan.conf"), "SWANCTL_DIR="+filepath.Join(s.dir, "swanctl"))
	return cmd
}

func (s *strongSwan) swanctl(ctx context.Context, args ...string) (string, error) {
	cmd := s.command(ctx, "swanctl", args...)
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := s.host.Start(cmd); err != nil {
		return "", err
	}
	if err := cmd.Wait(); err != nil {
		return "", fmt.Errorf("swanctl %v: %w: %s", args, err, out.String())
	}
	return out.String(), nil
}

func (s *strongSwan) stop() {
	s.cmd.Process.Signal(syscall.SIGTERM)
	done := make(chan struct{})
	go func() { s.cmd.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(5 * time.Second):
		s.cmd.Process.Kill()
	}
}

// partnerBranch is hq's side of the connection.
func partnerBranch(start store.Start, rekeySeconds int) store.Branch {
	return store.Branch{
		Name: "partner", Enabled: true, Peer: partnerWAN, Start: start,
		LocalNetworks: prefixes("10.1.0.0/24"), RemoteNetworks: prefixes("10.3.0.0/24"),
		PSK: partnerKey, RekeySeconds: rekeySeconds, DPDSeconds: 30,
	}
}

// bothWays pings from each side.
func (l *Office) bothWays(ctx context.Context) error {
	return errors.Join(l.HQPC.reaches(ctx, partnerLAN), l.Partner.reaches(ctx, hqPC, "-I", partnerLAN))
}

// interop runs one strongSwan against hq and checks pings across rekeys that
// each side starts.
func (l *Office) interop(ctx context.Context, start store.Start) (seen string, err error) {
	// First only strongSwan renews keys, then only Gatehouse does.
	if err := l.HQ.Configure(ctx, hqDocument(psk, rekeyInChecks, partnerBranch(start, 3600))); err != nil {
		return "", err
	}
	s, err := l.startStrongSwan(ctx, fmt.Sprintf(swanctlConf, 3600), nil)
	if err != nil {
		return "", err
	}
	defer func() {
		s.stop()
		err = errors.Join(err, l.HQ.Configure(ctx, hqDocument(psk, rekeyInChecks)))
		if err != nil {
			err = fmt.Errorf("%w\nend of strongSwan's log:\n%s", err, s.tail())
		}
	}()
	if start == store.StartAnswer {
		if _, err := s.swanctl(ctx, "--initiate", "--child", "net", "--timeout", "20"); err != nil {
			return "", err
		}
	} else if _, err := l.HQ.tool(ctx, nil, "reconnect", "partner"); err != nil {
		return "", err
	}
	if err := errors.Join(l.HQ.WaitUp(ctx, "partner"), l.bothWays(ctx)); err != nil {
		return "", err
	}
	theirs, err := l.rekeys(ctx, 1, func() error {
		_, err := s.swanctl(ctx, "--rekey", "--child", "net")
		return err
	})
	if err != nil {
		return "", fmt.Errorf("rekey by strongSwan: %w", err)
	}
	if _, err := s.swanctl(ctx, "--rekey", "--ike", "hq"); err != nil {
		return "", fmt.Errorf("rekey of the IKE SA by strongSwan: %w", err)
	}
	if err := l.bothWays(ctx); err != nil {
		return "", fmt.Errorf("after strongSwan's rekey of the IKE SA: %w", err)
	}
	// A changed lifetime closes the connection; it comes up anew.
	if err := l.HQ.Configure(ctx, hqDocument(psk, rekeyInChecks, partnerBranch(start, 6))); err != nil {
		return "", err
	}
	if start == store.StartAnswer {
		if err := until(ctx, 15*time.Second, "strongSwan to call again", func() error {
			_, err := s.swanctl(ctx, "--initiate", "--child", "net", "--timeout", "10")
			return err
		}); err != nil {
			return "", err
		}
	}
	if err := l.HQ.WaitUp(ctx, "partner"); err != nil {
		return "", err
	}
	ours, err := l.rekeys(ctx, 2, func() error { return nil })
	if err != nil {
		return "", fmt.Errorf("rekey by Gatehouse: %w", err)
	}
	return fmt.Sprintf("pings both ways; %d rekey by strongSwan, one of its IKE SA, %d by Gatehouse", theirs, ours), nil
}

// rekeys waits for n more rekeys of the partner's tunnel while pinging.
func (l *Office) rekeys(ctx context.Context, n int, start func() error) (int, error) {
	before, err := l.HQ.Tunnel(ctx, "partner")
	if err != nil {
		return 0, err
	}
	if err := start(); err != nil {
		return 0, err
	}
	got := 0
	err = until(ctx, 30*time.Second, fmt.Sprintf("%d rekeys", n), func() error {
		t, err := l.HQ.Tunnel(ctx, "partner")
		if err != nil {
			return err
		}
		if got = t.Rekeys - before.Rekeys; got < n {
			return fmt.Errorf("%d so far", got)
		}
		return nil
	})
	return got, errors.Join(err, l.bothWays(ctx))
}

func strongSwanCalls(ctx context.Context, l *Office) (string, error) {
	return l.interop(ctx, store.StartAnswer)
}

func strongSwanAnswers(ctx context.Context, l *Office) (string, error) {
	return l.interop(ctx, store.StartAlways)
}
