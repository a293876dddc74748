package office

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// benchRounds of each path, interleaved, because the machine is not idle.
const benchRounds = 3

// iperf runs the program from one machine to another and gives its report.
func iperf(ctx context.Context, from, to *Host, addr string, args ...string) (r iperfReport, err error) {
	err = until(ctx, 60*time.Second, "iperf3", func() (err error) {
		r, err = iperfOnce(ctx, from, to, addr, args...)
		return err
	})
	return r, err
}

// iperfOnce tries to: the server may not be there yet, and where packets are lost
// a test may not begin, which ends the server.
func iperfOnce(ctx context.Context, from, to *Host, addr string, args ...string) (r iperfReport, err error) {
	server := to.Command(ctx, "iperf3", "-s", "-1")
	if err := to.Start(server); err != nil {
		return r, err
	}
	defer func() {
		server.Process.Kill()
		server.Wait()
	}()
	time.Sleep(200 * time.Millisecond)
	out, err := from.Output(ctx, "iperf3", append([]string{"-c", addr, "-J"}, args...)...)
	if err != nil {
		return r, err
	}
	_, report, _ := strings.Cut(out, "{") // in front of it come warnings
	if err := json.Unmarshal([]byte("{"+report), &r); err != nil {
		return r, err
	}
	if r.Error != "" {
		return r, errors.New(r.Error) // which is no failure to iperf3
	}
	return r, nil
}

// iperfReport is what is read of it.
type iperfReport struct {
	Error string `json:"error"`
	End   struct {
		Received struct {
			Rate float64 `json:"bits_per_second"`
		} `json:"sum_received"`
		Sum struct {
			Seconds float64 `json:"seconds"`
			Packets float64 `json:"packets"`
			Lost    float64 `json:"lost_packets"`
		} `json:"sum"`
	} `json:"end"`
}

// stream is one TCP stream of five seconds, in Gbit/s.
func stream(ctx context.Context, from, to *Host, addr string) (float64, error) {
	r, err := iperf(ctx, from, to, addr, "-t", "5")
	return r.End.Received.Rate / 1e9, err
}

// packets is how many UDP packets over IPv4 of a length in bytes arrive in a
// second, in thousands, when as many as can be are sent for three seconds.
func packets(ctx context.Context, from, to *Host, addr string, length int) (float64, error) {
	const headers = 28
	r, err := iperf(ctx, from, to, addr, "-u", "-b", "0", "-t", "3", "-l", strconv.Itoa(length-headers))
	if err == nil && r.End.Sum.Seconds == 0 {
		err = fmt.Errorf("iperf3 reports no packets to %s", addr)
	}
	return (r.End.Sum.Packets - r.End.Sum.Lost) / r.End.Sum.Seconds / 1e3, err
}

// benchPath is one way from one machine to another.
type benchPath struct {
	name     string
	from, to *Host
	addr     string
	// count says that packets a second are measured, too. strongSwan's would fall
	// over.
	count bool
}

// Bench prints the throughput of the tunnel beside the same path without IPsec,
// with wireguard-go, and with strongSwan's userspace ESP in IPsec's place.
func Bench(ctx context.Context, o Options) error {
	l, err := New(o)
	if err != nil {
		return err
	}
	defer l.Close()
	if err := l.Open(ctx, 0); err != nil {
		return err
	}
	bare, err := newPlain("plain")
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
	swan, err := newPlain("swan")
	if err != nil {
		return err
	}
	stop, err := swan.libIPsec(ctx, l.dir)
	if err != nil {
		return fmt.Errorf("strongSwan: %w", err)
	}
	defer stop()
	paths := []benchPath{
		{"without IPsec", bare.a, bare.b, plainB, true},
		{"wireguard-go", guard.a, guard.b, plainB, true},
		{"strongSwan, kernel-libipsec", swan.a, swan.b, plainB, false},
		{"Gatehouse", l.HQPC, l.BranchPC, branchPC, true},
	}
	fmt.Printf("\nTCP, one stream, host to host through two gateways, median of %d rounds:\n\n", benchRounds)
	fmt.Printf("| path | Gbit/s | of the bare path | of wireguard-go | of kernel-libipsec |\n|---|---|---|---|---|\n")
	rates, err := inTurns(paths, func(p benchPath) (float64, error) { return stream(ctx, p.from, p.to, p.addr) })
	if err != nil {
		return err
	}
	for i, p := range paths {
		fmt.Printf("| %s | %.3f | %.3f | %.2f | %.1f |\n", p.name, rates[i], rates[i]/rates[0], rates[i]/rates[1], rates[i]/rates[2])
	}
	paths = slices.DeleteFunc(paths, func(p benchPath) bool { return !p.count })
	for _, length := range []int{64, 1400} {
		fmt.Printf("\nUDP packets of %d bytes that arrive, median of %d rounds:\n\n", length, benchRounds)
		fmt.Printf("| path | thousands a second | of the bare path | of wireguard-go |\n|---|---|---|---|\n")
		rates, err := inTurns(paths, func(p benchPath) (float64, error) { return packets(ctx, p.from, p.to, p.addr, length) })
		if err != nil {
			return err
		}
		for i, p := range paths {
			fmt.Printf("| %s | %.1f | %.2f | %.2f |\n", p.name, rates[i], rates[i]/rates[0], rates[i]/rates[1])
		}
	}
	return nil
}

// inTurns measures each path several times and gives the medians.
func inTurns(paths []benchPath, measure func(benchPath) (float64, error)) ([]float64, error) {
	all := make([][]float64, len(paths))
	for range benchRounds {
		for i, p := range paths {
			r, err := measure(p)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", p.name, err)
			}
			all[i] = append(all[i], r)
		}
	}
	median := make([]float64, len(paths))
	for i, r := range all {
		slices.Sort(r)
		median[i] = r[len(r)/2]
	}
	return median, nil
}
