package firewall

import (
	"context"
	"log/slog"
	"net/netip"
	"strings"
	"testing"
	"time"
)

const server4, server6 = "10.1.0.9", "fd00:1::9"

// limited is a wired office with one rule under a limit.
func (o *wiredOffice) limited(l Limit) *Decider {
	o.t.Helper()
	p := o.policy()
	p.Rules = []Rule{{ID: "mail", From: ZoneWAN, To: ZoneLAN, Action: Allow, Limit: l,
		Services: []Service{{Protocol: TCP, Ports: []PortRange{{25, 25}}}, {Protocol: UDP, Ports: []PortRange{{5000, 5000}}}}}}
	o.apply(p)
	d, err := NewDecider(p)
	if err != nil {
		o.t.Fatal(err)
	}
	if v := d.Explain(flow(wanHost4, lanHost4, tcp(25))); v.Action != Allow || v.Limit != l {
		o.t.Errorf("the decider says %+v", v)
	}
	return d
}

func TestARateOfNewConnections(t *testing.T) {
	o := newWiredOffice(t)
	o.limited(Limit{Rate: 1, Per: time.Hour, Burst: 3})
	o.decides("the first", flow(wanHost4, lanHost4, tcp(25)), true, "mail")
	first := flow(wanHost4, lanHost4)
	number := o.put(first)
	if !soon(func() bool { return o.seen()[number] != "" }) {
		t.Fatal("the second did not come out")
	}
	for range 10 {
		o.again(first, number)
		if !soon(func() bool { return o.seen()[number] != "" }) {
			t.Fatal("a connection was held back that is there")
		}
	}
	o.decides("the third, over IPv6", flow(wanHost6, lanHost6, tcp(25)), true, "mail")
	o.decides("the fourth", flow(wanHost4, server4, tcp(25)), false, "over-mail")
	o.decides("the fourth over IPv6", flow(wanHost6, server6), false, "over-mail")
	o.decides("from another source", flow(peer4, lanHost4, tcp(25)), false, "over-mail")
	o.decides("to another port", flow(peer4, lanHost4, tcp(26)), false, "wan-default")
}

// mailPasses says whether one more connection passes the limit.
func (o *wiredOffice) mailPasses() bool {
	o.t.Helper()
	before := o.counts()
	o.put(flow(peer4, lanHost4, tcp(25)))
	var grew map[string]uint64
	if !soon(func() bool { grew = grown(before, o.counts()); return len(grew) > 0 }) {
		o.t.Fatal("nothing was decided")
	}
	return grew["mail"] == 1
}

func TestATokenComesBack(t *testing.T) {
	o := newWiredOffice(t)
	o.limited(Limit{Rate: 2, Per: time.Second})
	const many = 20 // more than tokens come back while they are sent
	for range 2 {
		if !soon(o.mailPasses) {
			t.Fatal("nothing passes any more")
		}
		before := o.counts()
		for range many {
			o.put(flow(wanHost4, lanHost4, tcp(25)))
		}
		var grew map[string]uint64
		if !soon(func() bool { grew = grown(before, o.counts()); return total(grew) == many }) || grew["over-mail"] == 0 {
			t.Errorf("of %d at once, %v", many, grew)
		}
	}
}

func TestARateOfEachSource(t *testing.T) {
	o := newWiredOffice(t)
	o.limited(Limit{Rate: 2, Per: 24 * time.Hour, Burst: 2, PerSource: true})
	for _, row := range []struct{ source, other, host string }{{wanHost4, peer4, lanHost4}, {wanHost6, peer6, lanHost6}} {
		o.decides("the first of "+row.source, flow(row.source, row.host, tcp(25)), true, "mail")
		o.decides("the second", flow(row.source, row.host), true, "mail")
		o.decides("the third", flow(row.source, row.host, tcp(25)), false, "over-mail")
		o.decides("from another source", flow(row.other, row.host, tcp(25)), true, "mail")
	}
}

func TestHowManyAreOpen(t *testing.T) {
	o := newWiredOffice(t)
	o.limited(Limit{Open: 2})
	o.decides("the first", flow(wanHost4, lanHost4, tcp(25)), true, "mail")
	o.decides("the second, over IPv6", flow(peer6, lanHost6, tcp(25)), true, "mail")
	o.decides("the third", flow(peer4, lanHost4, tcp(25)), false, "over-mail")
	o.decides("the third over IPv6", flow(wanHost6, lanHost6, tcp(25)), false, "over-mail")
	o.forget()
	// The kernel looks at most once in a tick which of them have ended.
	if !soon(o.mailPasses) {
		t.Error("nothing passes when the others have ended")
	}
}

func TestHowManyOfEachSourceAreOpen(t *testing.T) {
	o := newWiredOffice(t)
	o.limited(Limit{Open: 1, Rate: 100, Per: time.Second, Burst: 1000, PerSource: true})
	for _, row := range []struct{ source, other, host string }{{wanHost4, peer4, lanHost4}, {wanHost6, peer6, lanHost6}} {
		o.decides("the first of "+row.source, flow(row.source, row.host, tcp(25)), true, "mail")
		o.decides("the second", flow(row.source, row.host, tcp(25)), false, "over-mail")
		o.decides("from another source", flow(row.other, row.host, tcp(25)), true, "mail")
	}
	o.forget()
	if !soon(o.mailPasses) {
		t.Error("nothing passes when the others have ended")
	}
}

// What a limit holds back is in the log under a name of its own, and what it
// lets through under the rule's.
func TestALimitIsLogged(t *testing.T) {
	o := newWiredOffice(t)
	p := o.policy()
	p.Rules = []Rule{{ID: "mail", From: ZoneWAN, To: ZoneLAN, Action: Allow, Log: true, Limit: Limit{Open: 1}}}
	o.apply(p)
	ctx, cancel := context.WithCancel(context.Background())
	said, ended := make(chan Dropped, 100), make(chan error, 1)
	go o.gateway.do(func() {
		ended <- WatchLog(ctx, p.LogGroup, slog.New(slog.DiscardHandler), func(d Dropped) { said <- d })
	})
	seen := map[string]bool{}
	if !soon(func() bool {
		o.put(flow(wanHost4, lanHost4, tcp(25)))
		for len(said) > 0 {
			d := <-said
			seen[d.Rule+" "+d.Action] = d.Dst == netip.MustParseAddr(lanHost4)
		}
		return seen["over-mail drop"]
	}) {
		t.Errorf("the log says %v", seen)
	}
	o.forget()
	if !soon(func() bool {
		o.put(flow(peer4, lanHost4, tcp(25)))
		for len(said) > 0 {
			d := <-said
			seen[d.Rule+" "+d.Action] = true
		}
		o.forget()
		return seen["mail allow"]
	}) {
		t.Errorf("the log says %v", seen)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestALimitSaysItsUnit(t *testing.T) {
	for per, want := range map[time.Duration]string{time.Second: "7/second", time.Minute: "7/minute", time.Hour: "7/hour", 24 * time.Hour: "7/day"} {
		p := office()
		p.Rules[0].Limit = Limit{Rate: 7, Per: per}
		if text := mustCompile(t, p).String(); !strings.Contains(text, "limit rate over "+want+" burst 1 packets goto do_over-branch-web_drop") {
			t.Errorf("%s is not %s", per, want)
		}
	}
}
