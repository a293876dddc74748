package office

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"
)

// benchRounds of each path, interleaved, because the machine is not idle.
const benchRounds = 3

// stream is one TCP stream of five seconds, in Gbit/s.
func stream(ctx context.Context, from, to *Host, addr string) (float64, error) {
	server := to.Command(ctx, "iperf3", "-s", "-1")
	if err := to.Start(server); err != nil {
		return 0, err
	}
	defer func() {
		server.Process.Kill()
		server.Wait()
	}()
	var out string
	err := until(ctx, 20*time.Second, "iperf3", func() (err error) {
		out, err = from.Output(ctx, "iperf3", "-c", addr, "-t", "5", "-J")
		return err
	})
	if err != nil {
		return 0, err
	}
	var r struct {
		End struct {
			Received struct {
				Rate float64 `json:"bits_per_second"`
			} `json:"sum_received"`
		} `json:"end"`
	}
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		return 0, err
	}
	return r.End.Received.Rate / 1e9, nil
}

// Bench prints the throughput of the tunnel beside the same path without IPsec
// and with wireguard-go in IPsec's place.
func Bench(ctx context.Context, o Options) error {
	l, err := New(o)
	if err != nil {
		return err
	}
	defer l.Close()
	if err := l.Open(ctx, 0); err != nil {
		return err
	}
	plain, err := newPlain("plain")
	if err != nil {
		return err
	}
	guard, err := newPlain("guard")
	if err != nil {
		return err
	}
	if err := guard.wireGuard(ctx, o.WireGuard); err != nil {
		return err
	}
	paths := []struct {
		name string
		run  func() (float64, error)
	}{
		{"without IPsec", func() (float64, error) { return stream(ctx, plain.a, plain.b, plainB) }},
		{"wireguard-go", func() (float64, error) { return stream(ctx, guard.a, guard.b, plainB) }},
		{"Gatehouse", func() (float64, error) { return stream(ctx, l.HQPC, l.BranchPC, branchPC) }},
	}
	rates := make([][]float64, len(paths))
	for range benchRounds {
		for i, p := range paths {
			r, err := p.run()
			if err != nil {
				return fmt.Errorf("%s: %w", p.name, err)
			}
			rates[i] = append(rates[i], r)
		}
	}
	median := make([]float64, len(paths))
	for i, r := range rates {
		slices.Sort(r)
		median[i] = r[len(r)/2]
	}
	fmt.Printf("\nTCP, one stream, host to host through two gateways, median of %d rounds:\n\n", benchRounds)
	fmt.Printf("| path | Gbit/s | of the bare path | of wireguard-go |\n|---|---|---|---|\n")
	for i, p := range paths {
		fmt.Printf("| %s | %.2f | %.2f | %.2f |\n", p.name, median[i], median[i]/median[0], median[i]/median[1])
	}
	return nil
}
