package office

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"gatehouse/ipsec/authtest"
	"gatehouse/store"
)

// Both sides have certificates that an authority made for the check issued.

const (
	hqName      = "hq.example"
	partnerName = "partner.example"
)

// certifiedConf is what the partner's admin would write; the first %s is what else
// the connection says, the second what other secrets there are.
const certifiedConf = `connections {
  hq {
    version = 2
    local_addrs = ` + partnerWAN + `
    remote_addrs = ` + hqWAN + `
    encap = yes
    proposals = aes256gcm16-prfsha256-x25519
    rekey_time = 0
    local { auth = pubkey
      certs = partner.pem
      id = ` + partnerName + ` }
    remote { auth = pubkey
      cacerts = ca.pem
      id = ` + hqName + ` }
    %s
    children {
      net {
        local_ts = 10.3.0.0/24
        remote_ts = 10.1.0.0/24
        esp_proposals = aes256gcm16
        start_action = none
      }
    }
  }
}
%s
`

// The same post-quantum key on both sides, and another one of the same name.
const (
	ppkName  = "vault-1"
	ppk      = "d2c3-post-quantum-key-from-elsewhere"
	otherPPK = "e3d4-post-quantum-key-of-another-one"
)

func ppkConf(key string) (connection, secrets string) {
	return "ppk_id = " + ppkName + "\n    ppk_required = yes", "secrets {\n  ppk-vault { id = " + ppkName + "\n    secret = \"" + key + "\" }\n}"
}

// certifiedBranch is hq's side.
func certifiedBranch(start store.Start) store.Branch {
	b := partnerBranch(start, 3600)
	b.PSK, b.Certificate, b.Authority, b.RemoteID = "", "gateway", "office", partnerName
	return b
}

// put stores an object that acts at once, or changes it.
func (g *Gateway) put(ctx context.Context, plural string, object any) error {
	text, err := json.Marshal([]any{object})
	if err != nil {
		return err
	}
	_, err = g.tool(ctx, strings.NewReader(string(text)), "object", "import", plural, "-")
	return err
}

// furnish gives hq an authority and a certificate of its own.
func (l *Office) furnish(ctx context.Context, ca, own *authtest.Holder) error {
	type object struct {
		Name        string `json:"name"`
		Certificate string `json:"certificate"`
		Key         string `json:"key,omitempty"`
	}
	authority, _ := ca.PEM()
	certificate, key := own.PEM()
	return errors.Join(l.HQ.put(ctx, "authorities", object{"office", authority, ""}),
		l.HQ.put(ctx, "certificates", object{"gateway", certificate, key}))
}

// strongSwanCertified connects with each kind of key, the caller changing, and
// then with certificates that hq must refuse.
func strongSwanCertified(ctx context.Context, l *Office) (seen string, err error) {
	now := time.Now()
	ca, err := authtest.Root("Office CA", "p256", now)
	if err != nil {
		return "", err
	}
	between, err := ca.Authority("Partner CA", "rsa", now)
	if err != nil {
		return "", err
	}
	stranger, err := authtest.Root("Other CA", "p256", now)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, l.HQ.Configure(ctx, hqDocument(psk, rekeyInChecks))) }()
	for _, row := range []struct {
		kind    string
		start   store.Start
		by      *authtest.Holder
		at      time.Time
		problem string // empty: it must connect
		ppk     string // strongSwan's; empty: neither side has one
	}{
		{kind: "rsa", start: store.StartAlways, by: between, at: now},
		{kind: "p384", start: store.StartAnswer, by: ca, at: now},
		{kind: "ed25519", start: store.StartAlways, by: ca, at: now},
		{kind: "p256", start: store.StartAlways, by: ca, at: now, ppk: ppk},
		{kind: "p256", start: store.StartAnswer, by: ca, at: now, ppk: ppk},
		{kind: "p256", start: store.StartAnswer, by: ca, at: now, ppk: otherPPK, problem: "bad_signature"},
		{kind: "rsa", start: store.StartAnswer, by: stranger, at: now, problem: "certificate_untrusted"},
		{kind: "p256", start: store.StartAnswer, by: ca, at: now.Add(-30 * time.Hour), problem: "certificate_expired"},
	} {
		if err := l.certifiedOnce(ctx, ca, row.by, row.kind, row.at, row.start, row.problem, row.ppk); err != nil {
			return "", fmt.Errorf("%s, %s: %w", row.kind, row.start, err)
		}
	}
	return "RSA with an intermediate, P-384 and Ed25519, a post-quantum key in both roles, pings both ways; another authority's certificate, an expired one and another post-quantum key are refused by name", nil
}

func (l *Office) certifiedOnce(ctx context.Context, ca, by *authtest.Holder, kind string, at time.Time, start store.Start, problem, ppkThere string) (err error) {
	own, err := ca.Issue(kind, time.Now(), nil, hqName)
	if err != nil {
		return err
	}
	partner, err := by.Issue(kind, at, nil, partnerName)
	if err != nil {
		return err
	}
	branch, connection, secrets := certifiedBranch(start), "", ""
	if ppkThere != "" {
		branch.PPKID, branch.PPK = ppkName, ppk
		connection, secrets = ppkConf(ppkThere)
	}
	if err := errors.Join(l.furnish(ctx, ca, own), l.HQ.Configure(ctx, hqDocument(psk, rekeyInChecks, branch))); err != nil {
		return err
	}
	root, _ := ca.PEM()
	above, _ := by.PEM()
	certificate, key := partner.PEM()
	s, err := l.startStrongSwan(ctx, fmt.Sprintf(certifiedConf, connection, secrets), map[string]string{
		"x509ca/ca.pem": root, "x509ca/above.pem": above, "x509/partner.pem": certificate, "private/partner.pem": key,
	})
	if err != nil {
		return err
	}
	defer func() {
		s.stop()
		if err != nil {
			err = fmt.Errorf("%w\nend of strongSwan's log:\n%s", err, s.tail())
		}
	}()
	if problem != "" {
		if _, err := s.swanctl(ctx, "--initiate", "--child", "net", "--timeout", "20"); err == nil {
			return errors.New("strongSwan connected")
		}
		return until(ctx, 20*time.Second, "hq to say why", func() error {
			t, err := l.HQ.Tunnel(ctx, "partner")
			if err == nil && (t.Problem == nil || t.Problem.Code != problem) {
				err = fmt.Errorf("it says %+v, not %s", t.Problem, problem)
			}
			return err
		})
	}
	if start == store.StartAnswer {
		_, err = s.swanctl(ctx, "--initiate", "--child", "net", "--timeout", "20")
	} else {
		_, err = l.HQ.tool(ctx, nil, "reconnect", "partner")
	}
	return errors.Join(err, l.HQ.WaitUp(ctx, "partner"), l.bothWays(ctx))
}
