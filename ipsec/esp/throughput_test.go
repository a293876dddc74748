package esp

import (
	"encoding/json"
	"net/netip"
	"os/exec"
	"testing"
	"time"

	"gatehouse/ipsec/planetest"
	"gatehouse/ipsec/sad"
)

// BenchmarkTCPThroughput is one TCP stream of five seconds between two
// namespaces on one machine, by iperf3: on the bare wire, then through the
// tunnel. Only the ratio of one run means something. Run it with -benchtime 1x.
func BenchmarkTCPThroughput(b *testing.B) {
	if _, err := exec.LookPath("iperf3"); err != nil {
		b.Fatal("this benchmark needs iperf3: ", err)
	}
	hosts := two(b)
	b.Run("bare wire", func(b *testing.B) {
		// On the wire only protected packets pass.
		for _, h := range hosts {
			h.Run(b, "nft", "flush", "ruleset")
		}
		iperf(b, hosts, hosts[1].Outer4)
	})
	for i, suite := range []string{"aes256gcm16", "aes256-sha256"} {
		b.Run(suite, func(b *testing.B) {
			l := planetest.InUDP(suite)
			l.Bind(b, hosts, sad.SPI(0x1000*(i+1)), nil)
			iperf(b, hosts, l.Targets(hosts)[0])
		})
	}
}

func iperf(b *testing.B, hosts [2]*planetest.Host, to netip.Addr) {
	server := exec.Command("ip", "netns", "exec", hosts[1].NS, "iperf3", "-s")
	if err := server.Start(); err != nil {
		b.Fatal(err)
	}
	defer func() {
		server.Process.Kill()
		server.Wait()
	}()
	time.Sleep(300 * time.Millisecond)
	var mbit float64
	for b.Loop() {
		out := hosts[0].Run(b, "iperf3", "-J", "-t", "5", "-c", to.String())
		var report struct {
			End struct {
				Received struct {
					BitsPerSecond float64 `json:"bits_per_second"`
				} `json:"sum_received"`
			} `json:"end"`
		}
		if err := json.Unmarshal([]byte(out), &report); err != nil {
			b.Fatal(err)
		}
		mbit = report.End.Received.BitsPerSecond / 1e6
	}
	b.ReportMetric(mbit, "Mbit/s")
	b.ReportMetric(0, "ns/op")
}
