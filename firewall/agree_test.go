package firewall

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// TestTheDeciderAgreesWithTheKernel sends packets through random policies. The
// kernel must let pass, and count under a rule, what the decider says.
func TestTheDeciderAgreesWithTheKernel(t *testing.T) {
	const offices, policies, packets = 4, 500, 12
	for n := range uint64(offices) {
		t.Run(fmt.Sprint("office ", n), func(t *testing.T) {
			t.Parallel()
			g := gamble{rand.New(rand.NewPCG(7, n)), time.Now()}
			newWiredOffice(t).agree(policies, packets, g.policy, g.flow)
		})
	}
}

// expected is a packet on its line and what is to become of it.
type expected struct {
	flow  Flow
	want  Decision
	where string // where it comes out; empty: nowhere
}

// expect asks the decider.
func expect(d *Decider, f Flow) expected {
	led := d.Lead(f)
	e := expected{flow: f, want: d.Explain(led)}
	switch {
	case e.want.Action != Allow:
	case d.Zone(led.Destination) == ZoneGateway:
		e.where = here
	default:
		e.where = deviceOf(led.Destination)
	}
	return e
}

// agree sends packets of random flows through random policies.
func (o *wiredOffice) agree(policies, packets int, policy func() Policy, flow func() Flow) {
	t := o.t
	t.Helper()
	sent, passed, again := 0, 0, 0
	by := map[string]int{}
	for n := 0; n < policies; {
		p := policy()
		if _, err := Compile(p); err != nil {
			continue // a rule that could never match
		}
		n++
		d, err := NewDecider(p)
		if err != nil {
			t.Fatal(err)
		}
		o.apply(p)
		var all []expected
		for len(all) < packets {
			e := expect(d, flow())
			if slices.ContainsFunc(all, func(a expected) bool { return isAnswer(e.flow, a.flow) }) {
				continue
			}
			all = append(all, e)
			by[e.want.Counted]++
			if e.where != "" {
				passed++
			}
		}
		sent += packets
		what := o.disagreement(all)
		if what == "" {
			continue
		}
		t.Logf("tried again: %s", what)
		// Something else may have been on a line. Each by itself, twice: what
		// is wrong is wrong again.
		again++
		for _, e := range all {
			one := []expected{e}
			if o.disagreement(one) != "" {
				if what := o.disagreement(one); what != "" {
					t.Errorf("%+v: the decider says %s by %q: %s\n%s", e.flow, e.want.Action, e.want.ID, what, describePolicy(p))
				}
			}
		}
		if t.Failed() {
			return
		}
	}
	if passed < sent/20 || passed > sent*9/10 || len(by) < 20 {
		t.Errorf("%d of %d packets passed, by %d rules: this proves little", passed, sent, len(by))
	}
	t.Logf("%d of %d packets passed, decided by %d rules; %d policies were tried again", passed, sent, len(by), again)
}

// isAnswer says whether connection tracking takes one flow for the answer to
// another, which without ports it is the other way round.
func isAnswer(f, to Flow) bool {
	return f.Port == 0 && f.Protocol == to.Protocol && !f.overICMPOf() && f.Source == to.Destination && f.Destination == to.Source
}

// disagreement puts packets on their lines and says what became of them that
// was not meant; empty: nothing.
func (o *wiredOffice) disagreement(all []expected) string {
	o.t.Helper()
	o.forget()
	o.seen()
	before := o.counts()
	want, wantSeen := map[string]uint64{}, map[uint32]string{}
	first := o.number + 1
	for _, e := range all {
		number := o.put(e.flow)
		if e.want.Counted != "" {
			want[e.want.Counted]++
		}
		if e.where != "" {
			wantSeen[number] = e.where
		}
	}
	// Every packet that is counted at all is counted once, so that all are
	// decided when the sum is there.
	got := map[string]uint64{}
	soon(func() bool { got = grown(before, o.counts()); return total(got) >= total(want) })
	seen := map[uint32]string{}
	soon(func() bool {
		maps.Copy(seen, o.seen())
		// The gateway says things of its own, too.
		maps.DeleteFunc(seen, func(number uint32, _ string) bool { return number < first || number > o.number })
		return len(seen) >= len(wantSeen)
	})
	switch {
	case !maps.Equal(got, want):
		return fmt.Sprintf("counted by %v instead of %v", got, want)
	case !maps.Equal(seen, wantSeen):
		return fmt.Sprintf("came out at %v instead of %v", seen, wantSeen)
	}
	return ""
}

func total(counts map[string]uint64) (n uint64) {
	for _, c := range counts {
		n += c
	}
	return n
}

func describePolicy(p Policy) string {
	return fmt.Sprintf("rules %+v\ndefaults %+v\nlists %+v\nzones %+v\nforwards %+v\npage from %v", p.Rules, p.Defaults, p.Lists, p.TunnelZones, p.Forwards, p.AdminZones)
}
