package office

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"gatehouse/store"
	"gatehouse/web"
)

const (
	partnerVoice = "10.4.0.1"
	hqMoved      = "203.0.113.9"
	// manyNetworks on each side make our messages longer than a datagram may be.
	manyNetworks = 50
)

// swanctlMore is what the partner's admin writes for two children. In
// strongswan.conf its messages are cut small.
const swanctlMore = `connections {
  hq {
    version = 2
    local_addrs = ` + partnerWAN + `
    remote_addrs = ` + hqWAN + `
    encap = yes
    mobike = yes
    fragmentation = yes
    proposals = aes256gcm16-prfsha256-x25519
    rekey_time = 0
    local { auth = psk
      id = ` + partnerWAN + ` }
    remote { auth = psk
      id = ` + hqWAN + ` }
    children {
      net {
        local_ts = 10.3.0.0/24
        remote_ts = 10.1.0.0/24
        esp_proposals = aes256gcm16
        rekey_time = 0
      }
      voice {
        local_ts = 10.4.0.0/24
        remote_ts = 10.1.0.0/24
        esp_proposals = aes256-sha256-ecp256
        rekey_time = 0
      }
    }
  }
}
secrets {
  ike-hq { secret = "` + partnerKey + `" }
}
`

// strongSwanMore joins two pairs of networks with strongSwan by two children. hq
// offers so many networks that its messages go in pieces, and strongSwan, which
// accepts one of them, cuts its own small. Then hq moves to another address.
func strongSwanMore(ctx context.Context, l *Office) (seen string, err error) {
	near, far := []string{"10.1.0.0/24"}, []string{"10.3.0.0/24"}
	for i := range manyNetworks {
		near, far = append(near, fmt.Sprintf("10.11.%d.0/24", i)), append(far, fmt.Sprintf("10.33.%d.0/24", i))
	}
	b := partnerBranch(store.StartAlways, 3600)
	b.LocalNetworks, b.RemoteNetworks = prefixes(near...), prefixes(far...)
	doc := hqDocument(psk, 3600, b)
	doc.Children = []store.Child{{Name: "voice", Enabled: true, Branch: "partner", Protocol: "esp", Mode: "tunnel",
		LocalNetworks: prefixes("10.1.0.0/24"), RemoteNetworks: prefixes("10.4.0.0/24"), Proposals: []string{"aes256-sha256-ecp256"}}}
	if err := l.Partner.address("lo", partnerVoice+"/24"); err != nil {
		return "", err
	}
	s, err := startCharon(ctx, l.Partner, l.dir, swanctlMore, nil, "fragment_size = 256")
	if err != nil {
		return "", err
	}
	defer func() {
		s.stop()
		err = errors.Join(err, l.HQ.Configure(ctx, hqDocument(psk, rekeyInChecks)), l.HQ.WaitUp(ctx, "branch"))
		if err != nil {
			err = fmt.Errorf("%w\nend of strongSwan's log:\n%s", err, s.tail())
		}
	}()
	if err := l.HQ.Configure(ctx, doc); err != nil {
		return "", err
	}
	before, err := l.bothChildren(ctx, hqWAN)
	if err != nil {
		return "", err
	}
	for _, said := range []string{"splitting IKE message", "received fragment #"} {
		// It writes its log in blocks.
		if err := until(ctx, 10*time.Second, "strongSwan to say "+said, func() error {
			if !strings.Contains(s.whole(), said) {
				return errors.New("not yet")
			}
			return nil
		}); err != nil {
			return "", err
		}
	}
	if _, err := s.swanctl(ctx, "--rekey", "--child", "voice"); err != nil {
		return "", fmt.Errorf("rekey of one child by strongSwan: %w", err)
	}
	if _, err := l.bothChildren(ctx, hqWAN); err != nil {
		return "", fmt.Errorf("after a rekey of one child: %w", err)
	}
	// Of another length, because the kernel takes a second address of one network away
	// with the first.
	doc.Interfaces[0].Addresses = prefixes(hqMoved+"/25", hqWAN6+"/64")
	if err := l.HQ.Configure(ctx, doc); err != nil {
		return "", err
	}
	after, err := l.bothChildren(ctx, hqMoved)
	if err != nil {
		return "", fmt.Errorf("after hq's address changed: %w", err)
	}
	if !after.Since.Equal(before.Since) {
		return "", errors.New("the tunnel was built anew when hq's address changed")
	}
	sas, err := s.swanctl(ctx, "--list-sas", "--ike", "hq")
	if err != nil {
		return "", err
	}
	if !strings.Contains(sas, hqMoved) {
		return "", fmt.Errorf("strongSwan has not moved:\n%s", sas)
	}
	return "two children pinged both ways, pieces both ways, one tunnel from " + hqWAN + " to " + hqMoved, nil
}

// bothChildren waits until hq uses both children from an address, and pings through
// each from both ends.
func (l *Office) bothChildren(ctx context.Context, from string) (t web.Tunnel, err error) {
	err = until(ctx, 40*time.Second, "both children from "+from, func() error {
		if t, err = l.HQ.Tunnel(ctx, "partner"); err != nil {
			return err
		}
		if t.State != web.TunnelUp || len(t.Children) != 2 || !t.Children[0].Up || !t.Children[1].Up || !strings.HasPrefix(t.Local, from+":") {
			return fmt.Errorf("%s from %s, problem %+v, children %+v", t.State, t.Local, t.Problem, t.Children)
		}
		return nil
	})
	return t, errors.Join(err, l.bothWays(ctx), l.HQPC.reaches(ctx, partnerVoice), l.Partner.reaches(ctx, hqPC, "-I", partnerVoice))
}

// whole is all that strongSwan has logged.
func (s *strongSwan) whole() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.log.String()
}
