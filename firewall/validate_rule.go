package firewall

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

func (r Rule) validate(zones zoneNames) error {
	switch {
	case r.From == ZoneGateway:
		return fmt.Errorf("rule %s: the gateway's own connections are not filtered", r.ID)
	case r.From != "" && !zones.known(r.From):
		return fmt.Errorf("rule %s: there is no zone %q to come from", r.ID, r.From)
	case r.To != "" && !zones.known(r.To):
		return fmt.Errorf("rule %s: there is no zone %q to go to", r.ID, r.To)
	case r.Action > Allow:
		return fmt.Errorf("rule %s: unknown action %d", r.ID, r.Action)
	case r.Protocol > ICMP:
		return fmt.Errorf("rule %s: unknown protocol %d", r.ID, r.Protocol)
	case len(r.Services) > 0 && (r.Protocol != AnyProtocol || len(r.Ports) > 0):
		return fmt.Errorf("rule %s: services, or a protocol with its ports, not both", r.ID)
	case len(r.SourceMACs) > 0 && r.From == "":
		return fmt.Errorf("rule %s: hardware addresses are seen only on a link, so the rule must name the zone of interfaces they come from", r.ID)
	case len(r.SourceMACs) > 0 && zones[r.From] == behindTunnel:
		return fmt.Errorf("rule %s: no hardware address comes through a tunnel, so from %s it would never match", r.ID, r.From)
	case r.Limit != (Limit{}) && r.Action != Allow:
		return fmt.Errorf("rule %s: a limit is for what is allowed, and the rule says %s", r.ID, r.Action)
	}
	var errs []error
	for _, s := range r.services() {
		errs = append(errs, s.validate())
	}
	for _, m := range r.SourceMACs {
		if m == (MAC{}) || m[0]&1 != 0 { // IEEE 802.3 3.2.3: the bit of a group
			errs = append(errs, fmt.Errorf("%s is not the address of one host", m))
		}
	}
	for _, p := range r.DSCP {
		if p > 63 {
			errs = append(errs, fmt.Errorf("DSCP %d is beyond 63", p))
		}
	}
	for _, t := range r.Times {
		errs = append(errs, t.validate())
	}
	errs = append(errs, r.Limit.validate())
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("rule %s: %w", r.ID, err)
	}
	return nil
}

func (s Service) validate() error {
	if s.Protocol > OtherProtocol {
		return fmt.Errorf("unknown protocol %d", s.Protocol)
	}
	if (s.Protocol == OtherProtocol) != (len(s.Numbers) > 0) {
		return errors.New("a protocol is named, or given by its number")
	}
	if len(s.Messages) > 0 && s.Protocol != ICMP {
		return errors.New("messages need icmp")
	}
	if len(s.Ports) > 0 && s.Protocol != TCP && s.Protocol != UDP {
		return errors.New("ports need tcp or udp")
	}
	for _, n := range s.Numbers {
		if n.First > n.Last {
			return fmt.Errorf("protocols %d-%d are the wrong way round", n.First, n.Last)
		}
	}
	for _, m := range s.Messages {
		if m.Code < AnyCode || m.Code > 255 {
			return fmt.Errorf("ICMP type %d has no code %d", m.Type, m.Code)
		}
	}
	for _, p := range s.Ports {
		if p.First > p.Last {
			return fmt.Errorf("ports %d-%d are the wrong way round", p.First, p.Last)
		}
	}
	return nil
}

func (t TimeSpan) validate() error {
	switch {
	case t.Day < time.Sunday || t.Day > time.Saturday:
		return fmt.Errorf("day %d is not in the week", t.Day)
	case t.From < 0 || t.To > lastSecond:
		return fmt.Errorf("%s from second %d to %d is beyond the day", t.Day, t.From, t.To)
	case t.From > t.To:
		return fmt.Errorf("%s from second %d to %d is the wrong way round: a span over midnight is two", t.Day, t.From, t.To)
	}
	return nil
}

// The largest numbers that the kernel's arithmetic in nanoseconds takes.
const (
	maxRate  = 1_000_000
	maxBurst = 65_535
	maxOpen  = 1_000_000
)

func (l Limit) validate() error {
	switch {
	case l == Limit{}:
		return nil
	case l.Rate == 0 && l.Open == 0:
		return errors.New("the limit bounds nothing")
	case l.Rate == 0 && (l.Per != 0 || l.Burst != 0):
		return errors.New("the limit has a time or a burst, but no rate")
	case l.Rate > 0 && !slices.Contains([]time.Duration{time.Second, time.Minute, time.Hour, day}, l.Per):
		return fmt.Errorf("a rate is per second, minute, hour or day, not per %s", l.Per)
	case l.Rate > maxRate || l.Burst > maxBurst || l.Open > maxOpen:
		return fmt.Errorf("the limit is beyond a rate of %d, a burst of %d or %d open connections", maxRate, maxBurst, maxOpen)
	}
	return nil
}

const day = 24 * time.Hour
