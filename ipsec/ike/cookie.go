package ike

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"io"
	"net/netip"
	"sync"
	"time"

	"gatehouse/ipsec/wire"
)

// CookieJar makes callers prove that they receive at their address, without
// keeping anything about them (RFC 7296 section 2.6). Safe for concurrent use.
type CookieJar struct {
	rand io.Reader

	mu      sync.Mutex
	secrets [2][sha256.Size]byte // the present and the one before
	version byte
	changed time.Time
}

// cookieSecretLife is how long a secret makes new cookies; they stay good for
// as long again.
const cookieSecretLife = time.Minute

// NewCookieJar takes its secrets from rand.
func NewCookieJar(rand io.Reader) *CookieJar { return &CookieJar{rand: rand} }

// Check says whether the message carries a cookie that we gave to this caller.
func (j *CookieJar) Check(raw []byte, remote netip.AddrPort, now time.Time) bool {
	m, err := wire.Parse(raw)
	if err != nil {
		return false
	}
	// The cookie comes first (section 2.6).
	if len(m.Payloads) == 0 {
		return false
	}
	n, ok := m.Payloads[0].(*wire.Notify)
	nonce, ok2 := wire.Find[*wire.Nonce](m.Payloads)
	if !ok || !ok2 || n.NotifyType != wire.Cookie || len(n.Data) != 1+sha256.Size {
		return false
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.rotate(now) != nil {
		return false
	}
	age := j.version - n.Data[0]
	if age > 1 {
		return false
	}
	return hmac.Equal(n.Data, j.cookie(int(age), m.Header.SPIi, nonce.Data, remote))
}

// Challenge is the answer that asks the caller to come again with a cookie.
func (j *CookieJar) Challenge(raw []byte, remote netip.AddrPort, now time.Time) ([]byte, error) {
	m, err := wire.Parse(raw)
	if err != nil {
		return nil, err
	}
	nonce, ok := wire.Find[*wire.Nonce](m.Payloads)
	if !ok {
		return nil, Reason{Code: BadMessage, Detail: "IKE_SA_INIT without Nonce"}
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if err := j.rotate(now); err != nil {
		return nil, err
	}
	answer := wire.Message{
		Header:   wire.Header{SPIi: m.Header.SPIi, Exchange: wire.IKESAInit, Flags: wire.FlagResponse},
		Payloads: notifyOnly(wire.Cookie, j.cookie(0, m.Header.SPIi, nonce.Data, remote)),
	}
	return answer.Marshal()
}

// rotate makes a new secret when the present one is old. Needs j.mu.
func (j *CookieJar) rotate(now time.Time) error {
	if !j.changed.IsZero() && now.Sub(j.changed) < cookieSecretLife {
		return nil
	}
	if j.changed.IsZero() {
		// There is no secret before the first one, and zeros are no secret.
		if _, err := io.ReadFull(j.rand, j.secrets[0][:]); err != nil {
			return err
		}
	}
	j.secrets[1] = j.secrets[0]
	if _, err := io.ReadFull(j.rand, j.secrets[0][:]); err != nil {
		return err
	}
	j.version++
	j.changed = now
	return nil
}

// cookie is version | HMAC(secret, Ni | address | SPIi). Needs j.mu.
func (j *CookieJar) cookie(age int, spii uint64, ni []byte, remote netip.AddrPort) []byte {
	h := hmac.New(sha256.New, j.secrets[age][:])
	h.Write(ni)
	h.Write(remote.Addr().AsSlice())
	h.Write(binary.BigEndian.AppendUint64(nil, spii))
	return h.Sum([]byte{j.version - byte(age)})
}
