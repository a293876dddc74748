package sad

import (
	"errors"
	"fmt"
	"log/slog"

	"gatehouse/ipsec/crypto"
)

// MaxReplayWindow in packets.
const MaxReplayWindow = 4096

// firstSPI is the lowest SPI that is not reserved (RFC 4303 section 2.1).
const firstSPI = 256

// Validate finds what no data plane may accept. Its error never shows a key.
func (sa SA) Validate() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if sa.SPI < firstSPI {
		bad("SPIs below %d are reserved (RFC 4303 section 2.1)", firstSPI)
	}
	if sa.Policy == 0 {
		bad("an SA needs the policy it serves")
	}
	if !sa.Local.IsValid() || !sa.Remote.IsValid() || sa.Local.BitLen() != sa.Remote.BitLen() {
		bad("outer addresses %s and %s are not two of one family", sa.Local, sa.Remote)
	}
	if len(sa.LocalTS) == 0 || len(sa.RemoteTS) == 0 {
		bad("an SA needs traffic selectors on both sides")
	}
	if sa.Direction == In && (sa.ReplayWindow == 0 || sa.ReplayWindow > MaxReplayWindow) {
		bad("a replay window of %d packets is not in 1 to %d", sa.ReplayWindow, MaxReplayWindow)
	}
	enc, integ := crypto.ChildKeySizes(sa.Suite)
	if len(sa.EncryptionKey) != enc {
		bad("the encryption key has %d bytes, %s needs %d", len(sa.EncryptionKey), sa.Suite, enc)
	}
	if len(sa.IntegrityKey) != integ {
		bad("the integrity key has %d bytes, %s needs %d", len(sa.IntegrityKey), sa.Suite, integ)
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("SA %s: %w", sa.SPI, err)
	}
	return nil
}

// String names an SA without its keys.
func (sa SA) String() string {
	dir := "in"
	if sa.Direction == Out {
		dir = "out"
	}
	return fmt.Sprintf("%s %s %s-%s %s", dir, sa.SPI, sa.Local, sa.Remote, sa.Suite)
}

// LogValue keeps keys out of slog.
func (sa SA) LogValue() slog.Value { return slog.StringValue(sa.String()) }

// Format keeps keys out of every verb, %x and %+v too.
func (sa SA) Format(f fmt.State, _ rune) { fmt.Fprint(f, sa.String()) }
