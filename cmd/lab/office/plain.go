package office

import (
	"bufio"
	"context"
	"crypto/ecdh"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"net"
	"strings"
	"time"
)

// plain is the same cabling as the two offices, with bare routers: what IPsec
// and wireguard-go are compared with.
type plain struct {
	a, ga, inet, gb, b *Host
}

const plainA, plainB = "10.1.0.10", "10.2.0.10"

func newPlain(name string) (*plain, error) {
	p := &plain{}
	for suffix, h := range map[string]**Host{"a": &p.a, "ga": &p.ga, "inet": &p.inet, "gb": &p.gb, "b": &p.b} {
		var err error
		if *h, err = newHost(name + "-" + suffix); err != nil {
			return nil, err
		}
	}
	for _, step := range []func() error{
		func() error { return cable(p.a, "eth0", p.ga, "lan0") },
		func() error { return cable(p.inet, "ga", p.ga, "wan0") },
		func() error { return cable(p.inet, "gb", p.gb, "wan0") },
		func() error { return cable(p.b, "eth0", p.gb, "lan0") },
		func() error { return p.a.address("eth0", plainA+"/24") },
		func() error { return p.b.address("eth0", plainB+"/24") },
		func() error { return p.ga.address("lan0", "10.1.0.1/24") },
		func() error { return p.gb.address("lan0", "10.2.0.1/24") },
		func() error { return p.ga.address("wan0", hqWAN+"/24") },
		func() error { return p.gb.address("wan0", branchWAN+"/24") },
		func() error { return p.inet.bridge("net1", []string{"ga"}, "203.0.113.1/24") },
		func() error { return p.inet.bridge("net2", []string{"gb"}, "198.51.100.1/24") },
		p.ga.router, p.inet.router, p.gb.router,
		func() error { return p.a.route("0.0.0.0/0", "10.1.0.1") },
		func() error { return p.b.route("0.0.0.0/0", "10.2.0.1") },
		func() error { return p.ga.route("0.0.0.0/0", "203.0.113.1") },
		func() error { return p.gb.route("0.0.0.0/0", "198.51.100.1") },
		func() error { return p.inet.route("10.1.0.0/24", hqWAN) },
		func() error { return p.inet.route("10.2.0.0/24", branchWAN) },
	} {
		if err := step(); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// wireGuard puts wireguard-go between the two routers.
func (p *plain) wireGuard(ctx context.Context, binary string) error {
	keyA, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		return err
	}
	keyB, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		return err
	}
	for _, e := range []struct {
		host           *Host
		device         string
		own, other     *ecdh.PrivateKey
		peer, networks string
		inner          string
	}{
		{p.ga, "wga", keyA, keyB, branchWAN, "10.2.0.0/24", "10.99.0.1/30"},
		{p.gb, "wgb", keyB, keyA, hqWAN, "10.1.0.0/24", "10.99.0.2/30"},
	} {
		cmd := e.host.Command(context.WithoutCancel(ctx), binary, "-f", e.device)
		cmd.Env = append(cmd.Env, "LOG_LEVEL=error", "WG_PROCESS_FOREGROUND=1")
		if err := e.host.Start(cmd); err != nil {
			return fmt.Errorf("start wireguard-go: %w; make bench installs it", err)
		}
		socket := "/var/run/wireguard/" + e.device + ".sock"
		set := fmt.Sprintf("set=1\nprivate_key=%s\nlisten_port=51820\npublic_key=%s\nendpoint=%s:51820\nallowed_ip=%s\n\n",
			hex.EncodeToString(e.own.Bytes()), hex.EncodeToString(e.other.PublicKey().Bytes()), e.peer, e.networks)
		err := until(ctx, 10*time.Second, "wireguard-go", func() error {
			conn, err := net.Dial("unix", socket)
			if err != nil {
				return err
			}
			defer conn.Close()
			if _, err := conn.Write([]byte(set)); err != nil {
				return err
			}
			line, err := bufio.NewReader(conn).ReadString('\n')
			if err == nil && strings.TrimSpace(line) != "errno=0" {
				err = fmt.Errorf("wireguard-go says %s", line)
			}
			return err
		})
		if err != nil {
			return err
		}
		if err := e.host.address(e.device, e.inner); err != nil {
			return err
		}
		if _, err := e.host.Output(ctx, "ip", "route", "replace", e.networks, "dev", e.device); err != nil {
			return err
		}
	}
	return nil
}

// plainConf is a tunnel of strongSwan between the two routers, seen from one.
const plainConf = `connections {
  peer {
    version = 2
    local_addrs = %[1]s
    remote_addrs = %[2]s
    encap = yes
    proposals = aes256gcm16-prfsha256-x25519
    rekey_time = 0
    local { auth = psk
      id = %[1]s }
    remote { auth = psk
      id = %[2]s }
    children {
      net {
        local_ts = %[3]s
        remote_ts = %[4]s
        esp_proposals = aes256gcm16
        rekey_time = 0
        start_action = none
      }
    }
  }
}
secrets {
  ike-peer { secret = "` + partnerKey + `" }
}
`

// libIPsec puts strongSwan between the two routers, with ESP in its own process
// (kernel-libipsec).
func (p *plain) libIPsec(ctx context.Context, dir string) (stop func(), err error) {
	var both []*strongSwan
	stop = func() {
		for _, s := range both {
			s.stop()
		}
	}
	for _, e := range []struct {
		host                       *Host
		own, other, network, there string
	}{
		{p.ga, hqWAN, branchWAN, "10.1.0.0/24", "10.2.0.0/24"},
		{p.gb, branchWAN, hqWAN, "10.2.0.0/24", "10.1.0.0/24"},
	} {
		s, err := startCharon(ctx, e.host, dir, fmt.Sprintf(plainConf, e.own, e.other, e.network, e.there), nil)
		if err != nil {
			stop()
			return nil, err
		}
		both = append(both, s)
	}
	if _, err := both[0].swanctl(ctx, "--initiate", "--child", "net", "--timeout", "20"); err != nil {
		err = fmt.Errorf("%w\n%s", err, both[0].tail())
		stop()
		return nil, err
	}
	return stop, nil
}
