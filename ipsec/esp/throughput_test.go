package esp

import (
	"encoding/json"
	"net/netip"
	"os/exec"
	"slices"
	"testing"
	"time"

	"gatehouse/ipsec/planetest"
	"gatehouse/ipsec/sad"
)

// nothing protects nothing: what the engine could carry were cryptography free.
type nothing struct{}

func (nothing) ivLen() int  { return 0 }
func (nothing) block() int  { return 4 }
func (nothing) icvLen() int { return 0 }

func (nothing) seal(packet []byte, end int, _ uint64) ([]byte, error) { return packet[:end], nil }
func (nothing) open(packet []byte, _ uint32) ([]byte, error)          { return packet[headerLen:], nil }

// free takes the cryptography out of all SAs.
func (e *Engine) free() {
	e.changing.Lock()
	defer e.changing.Unlock()
	for _, sa := range e.out {
		sa.transform = nothing{}
	}
	for _, part := range e.tables.Load().in {
		for _, sa := range part {
			sa.transform = nothing{}
		}
	}
}

// BenchmarkTCPThroughput is one TCP stream between two namespaces on one machine,
// by iperf3, with both engines in this process: on the bare wire, then through
// tunnels, in turns. The medians count, and only ratios of one run mean
// something. Run it with -benchtime 1x.
func BenchmarkTCPThroughput(b *testing.B) {
	if _, err := exec.LookPath("iperf3"); err != nil {
		b.Fatal("this benchmark needs iperf3: ", err)
	}
	hosts := two(b)
	for _, h := range hosts {
		h.Run(b, "nft", "flush", "ruleset") // which lets only protected packets pass
	}
	overIP := planetest.InUDP("aes256gcm16")
	overIP.UDP = false
	paths := []struct {
		name string
		link *planetest.Link
		free bool
		mbit []float64
	}{
		{name: "bare-wire"},
		{name: "no-cryptography", link: inUDP("null-sha256"), free: true},
		{name: "null-with-gmac", link: inUDP("aes256gmac")},
		{name: "aes256gcm16", link: inUDP("aes256gcm16")},
		{name: "aes256gcm16-over-IP", link: &overIP},
		{name: "aes256-sha256", link: inUDP("aes256-sha256")},
	}
	spi := sad.SPI(0x1000)
	for b.Loop() {
		for range 3 {
			for i := range paths {
				p := &paths[i]
				to := hosts[1].Outer4
				if p.link != nil {
					spi += 0x10
					p.link.Bind(b, hosts, spi, nil)
					to = p.link.Targets(hosts)[0]
				}
				if p.free {
					hosts[0].Plane.(*Engine).free()
					hosts[1].Plane.(*Engine).free()
				}
				p.mbit = append(p.mbit, iperf(b, hosts, to))
			}
		}
	}
	for _, p := range paths {
		slices.Sort(p.mbit)
		b.ReportMetric(p.mbit[len(p.mbit)/2], p.name+"-Mbit/s")
	}
	b.ReportMetric(0, "ns/op")
}

func inUDP(suite string) *planetest.Link {
	l := planetest.InUDP(suite)
	return &l
}

// iperf is one stream of three seconds, in Mbit/s.
func iperf(b *testing.B, hosts [2]*planetest.Host, to netip.Addr) float64 {
	server := exec.Command("ip", "netns", "exec", hosts[1].NS, "iperf3", "-s", "-1")
	if err := server.Start(); err != nil {
		b.Fatal(err)
	}
	defer func() {
		server.Process.Kill()
		server.Wait()
	}()
	for tries := 0; ; tries++ {
		var report struct {
			Error string `json:"error"` // of which the program says nothing else
			End   struct {
				Received struct {
					BitsPerSecond float64 `json:"bits_per_second"`
				} `json:"sum_received"`
			} `json:"end"`
		}
		if err := json.Unmarshal([]byte(hosts[0].Run(b, "iperf3", "-J", "-t", "3", "-c", to.String())), &report); err != nil {
			b.Fatal(err)
		}
		if report.Error == "" {
			return report.End.Received.BitsPerSecond / 1e6
		}
		if tries > 50 {
			b.Fatal(report.Error)
		}
		time.Sleep(100 * time.Millisecond) // the server is not there yet
	}
}
