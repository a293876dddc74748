package sad

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"gatehouse/ipsec/crypto"
)

// MaxReplayWindow in packets.
const MaxReplayWindow = 4096

// MinDummies is the shortest time between dummy packets.
const MinDummies = 10 * time.Millisecond

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
	switch {
	case sa.NoReplay && sa.ReplayWindow != 0:
		bad("a replay window of %d packets, and no replay check", sa.ReplayWindow)
	case sa.NoReplay && sa.ESN:
		bad("extended sequence numbers need the replay check, which finds their upper half (RFC 4303 section 3.4.3)")
	case sa.Direction == In && !sa.NoReplay && (sa.ReplayWindow == 0 || sa.ReplayWindow > MaxReplayWindow):
		bad("a replay window of %d packets is not in 1 to %d", sa.ReplayWindow, MaxReplayWindow)
	}
	switch {
	case sa.Protocol == ESP && !sa.Suite.ForESP():
		bad("%s is not whole for ESP", sa.Suite)
	case sa.Protocol == AH && !sa.Suite.ForAH():
		bad("%s is not for AH", sa.Suite)
	case sa.Protocol == AH && sa.Encap != nil:
		bad("AH covers the outer addresses, so it cannot go in UDP (RFC 3948 section 1)")
	case sa.Protocol != ESP && sa.Protocol != AH:
		bad("protocol %d is neither ESP nor AH", sa.Protocol)
	}
	if sa.Mode > Either || sa.Mode == Either && sa.Direction == Out {
		bad("an outbound SA is of tunnel or of transport mode")
	}
	if sa.CPU != nil && sa.Direction == In {
		bad("packets come in on any processor (RFC 9611 section 2)")
	}
	if sa.Mode != Tunnel && (sa.Outer.PadTo > 0) {
		bad("only tunnel mode can hide the length of packets (RFC 4303 section 2.7)")
	}
	if sa.Outer.Dummies != 0 && (sa.Protocol != ESP || sa.Outer.Dummies < MinDummies) {
		bad("dummy packets are for ESP, at most one in %s", MinDummies)
	}
	if sa.Outer.DSCP > 63 || sa.Outer.DF > ClearDF {
		bad("a DSCP of %d is not in 0 to 63, or the treatment of DF is unknown", sa.Outer.DSCP)
	}
	if s, h := sa.Lifetime.Soft, sa.Lifetime.Hard; h.Time > 0 && s.Time > h.Time || h.Bytes > 0 && s.Bytes > h.Bytes || h.Packets > 0 && s.Packets > h.Packets {
		bad("the soft lifetime is longer than the hard one")
	}
	if !sa.ESN && (sa.Sent > 1<<32-1 || sa.Seen > 1<<32-1) {
		bad("sequence numbers of 64 bits without ESN")
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

// MaxBundle is how many protections one packet can be given.
const MaxBundle = 2

// MaxLabels is how many labels packets can carry, of which each is one bit.
const MaxLabels = 12

// ValidatePolicies finds what no data plane may accept as an SPD.
func ValidatePolicies(policies []Policy) error {
	seen := map[uint32]bool{}
	labels := map[string][]Protection{}
	for _, p := range policies {
		if p.Action == Demand && len(p.Labels) == 1 {
			if before, twice := labels[p.Labels[0]]; twice && !slices.Equal(before, p.Admits) {
				return fmt.Errorf("policy %q: the label %s demands something else already", p.Name, p.Labels[0])
			}
			labels[p.Labels[0]] = p.Admits
		}
	}
	if len(labels) > MaxLabels {
		return fmt.Errorf("%d labels: at most %d can be told apart", len(labels), MaxLabels)
	}
	for _, p := range policies {
		if p.ID == 0 || seen[p.ID] {
			return fmt.Errorf("policy %q: its ID %d is zero or taken", p.Name, p.ID)
		}
		seen[p.ID] = true
		switch {
		case p.Action > Demand || p.Way > Outward:
			return fmt.Errorf("policy %q: unknown action or direction", p.Name)
		case p.Action == Demand && (len(p.Labels) != 1 || len(p.Admits) == 0):
			return fmt.Errorf("policy %q: a demand gives one label and admits at least one protection", p.Name)
		case p.Action != Demand && len(p.Admits) > 0:
			return fmt.Errorf("policy %q: only a demand admits protections", p.Name)
		case len(p.Needs) > 0 && p.Action != Protect:
			return fmt.Errorf("policy %q: only what is protected needs SAs", p.Name)
		case len(p.Needs) > MaxBundle:
			return fmt.Errorf("policy %q: at most %d SAs can protect one packet", p.Name, MaxBundle)
		}
		for _, l := range p.Labels {
			if _, known := labels[l]; !known {
				return fmt.Errorf("policy %q: no demand gives the label %q", p.Name, l)
			}
		}
		for _, n := range p.Needs {
			if n.Protocol != ESP && n.Protocol != AH || n.Mode > Transport {
				return fmt.Errorf("policy %q: a need is ESP or AH, in tunnel or transport mode", p.Name)
			}
		}
		for _, d := range p.Class.DSCP {
			if d > 63 {
				return fmt.Errorf("policy %q: a DSCP of %d is not in 0 to 63", p.Name, d)
			}
		}
		for _, l := range p.Class.FlowLabels {
			if l > 0xfffff {
				return fmt.Errorf("policy %q: a flow label of %d has more than 20 bits (RFC 6437)", p.Name, l)
			}
		}
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
