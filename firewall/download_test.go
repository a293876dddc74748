package firewall

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"
)

// The ports of the probes.
const (
	allowedUDP, forbiddenUDP = 6000, 6001
	allowedTCP, forbiddenTCP = 6002, 6003
)

// probed are policies that say the same about the probes in different ways: by
// a rule or two, by elements of large maps, by what comes behind a long list.
func (o *smallOffice) probed() []Policy {
	few := o.policy()
	few.Defaults = []Default{{ZoneLAN, ZoneWAN, Drop}}
	few.Rules = []Rule{
		{ID: "yes-udp", From: ZoneLAN, To: ZoneWAN, Protocol: UDP, Ports: []PortRange{{allowedUDP, allowedUDP}}, Action: Allow},
		{ID: "yes-tcp", From: ZoneLAN, To: ZoneWAN, Protocol: TCP, Ports: []PortRange{{allowedTCP, allowedTCP}}, Action: Allow},
	}
	many := few
	many.Rules = tenThousandRules(10_000).Rules
	for _, host := range prefixes(wanHost4+"/32", wanHost6+"/128") {
		for port := uint16(allowedUDP); port <= forbiddenTCP; port++ {
			r := Rule{ID: fmt.Sprintf("probe-%d-%d", host.Bits(), port), From: ZoneLAN, To: ZoneWAN, Destinations: []netip.Prefix{host},
				Protocol: UDP, Ports: []PortRange{{port, port}}, Action: Drop}
			if port == allowedUDP || port == allowedTCP {
				r.Action = Allow
			}
			if port >= allowedTCP {
				r.Protocol = TCP
			}
			many.Rules = append(many.Rules, r)
		}
	}
	list := few
	list.Lists = longList(100_000).Lists
	list.Rules = append([]Rule{{ID: "listed", From: ZoneLAN, To: ZoneWAN, SourceLists: []string{"long"}, Action: Drop}}, few.Rules...)
	return []Policy{few, many, list}
}

// A download goes on while everything around it is applied anew, cutting of
// denied connections included.
func TestALongDownloadSurvivesUnrelatedApplies(t *testing.T) {
	o := newSmallOffice(t)
	policies := o.probed()
	o.apply(policies[0])
	downloads := []*download{o.download(lanHost4, wanHost4), o.download(lanHost6, wanHost6)}
	for i := range 20 {
		var before []int64
		for _, d := range downloads {
			before = append(before, d.received.Load())
		}
		old, new := policies[i%len(policies)], policies[(i+1)%len(policies)]
		o.apply(new)
		var err error
		o.gateway.do(func() { _, err = o.applier.Cut(context.Background(), old, new) })
		if err != nil {
			t.Fatal(err)
		}
		for n, d := range downloads {
			for began := time.Now(); d.received.Load() == before[n]; time.Sleep(time.Millisecond) {
				if time.Since(began) > 10*time.Second {
					t.Fatalf("after apply %d nothing more arrived", i+1)
				}
			}
		}
	}
	for _, d := range downloads {
		d.end()
	}
}

// download is a slow transfer that goes on until it is ended.
type download struct {
	received atomic.Int64 // bytes
	end      func()
}

func (o *smallOffice) download(inside, outside string) *download {
	t := o.t
	client, server, err := o.connection(o.lan, inside, o.wan, outside, allowedTCP)
	if err != nil {
		t.Fatal(err)
	}
	d := &download{}
	ctx, stop := context.WithCancel(context.Background())
	sent, arrived := sha256.New(), sha256.New()
	sender, receiver := make(chan error, 1), make(chan error, 1)
	go func() {
		chunk := make([]byte, 1024)
		for n := 0; ctx.Err() == nil; n++ {
			chunk[n%len(chunk)] = byte(n)
			if _, err := server.Write(chunk); err != nil {
				sender <- err
				return
			}
			sent.Write(chunk)
			time.Sleep(time.Millisecond)
		}
		sender <- server.Close()
	}()
	go func() {
		b := make([]byte, 64<<10)
		for {
			n, err := client.Read(b)
			arrived.Write(b[:n])
			d.received.Add(int64(n))
			if err != nil {
				receiver <- err
				return
			}
		}
	}()
	d.end = func() {
		stop()
		if err := <-sender; err != nil {
			t.Errorf("the sender: %v", err)
		}
		if err := <-receiver; err != io.EOF {
			t.Errorf("the receiver: %v", err)
		}
		if string(sent.Sum(nil)) != string(arrived.Sum(nil)) {
			t.Error("something else arrived than was sent")
		}
		t.Logf("%s: %d kB during the applies", inside, d.received.Load()>>10)
	}
	return d
}
