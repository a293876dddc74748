//go:build guest

package xfrm

import (
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"gatehouse/ipsec/planetest"
	"gatehouse/ipsec/sad"
)

// hasCPUs says whether this kernel is new enough.
func hasCPUs(t *testing.T) bool {
	var major, minor int
	if _, err := fmt.Sscanf(os.Getenv("GUEST_KERNEL"), "%d.%d", &major, &minor); err != nil {
		t.Fatal(err)
	}
	return major > 6 || major == 6 && minor >= 12
}

func TestKernelProcessorsHaveSAsOfTheirOwn(t *testing.T) {
	hosts := planetest.Two(t, [2]planetest.Kind{kernelPlane(), kernelPlane()})
	l := planetest.Links()[0]
	l.Bind(t, hosts, 0x1000, nil)
	var out []sad.SA
	for n := range uint32(2) {
		first := sad.SPI(0x2000 + 0x1000*n)
		if err := hosts[1].Plane.Install(l.SA(t, hosts, 1, 0, sad.In, first)); err != nil {
			t.Fatal(err)
		}
		sa := l.SA(t, hosts, 0, 0, sad.Out, first)
		sa.CPU = &n
		err := hosts[0].Plane.Install(sa)
		if !hasCPUs(t) {
			if !errors.Is(err, errNoCPU) {
				t.Errorf("this kernel has none, and says %v", err)
			}
			l.Carry(t, hosts, 16<<10) // by the one SA for all
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, sa)
	}
	l.Carry(t, hosts, 16<<10)
	carried := func() (n [2]uint64) {
		for i, sa := range out {
			u, ok := hosts[0].Plane.Usage(sa.ID())
			if !ok {
				t.Fatal(sa)
			}
			n[i] = u.Packets
		}
		return n
	}
	for cpu := range 2 {
		before := carried()
		hosts[0].Inside(t, func() error {
			var set unix.CPUSet
			set.Set(cpu)
			if err := unix.SchedSetaffinity(0, &set); err != nil {
				return err
			}
			c, err := net.Dial("udp", net.JoinHostPort(hosts[1].Inner[0].Addr().String(), "9"))
			if err != nil {
				return err
			}
			defer c.Close()
			for range 20 {
				c.Write([]byte("x")) // the answer, that nobody listens, comes as an error
			}
			return nil
		})
		after := carried()
		if mine, other := after[cpu]-before[cpu], after[1-cpu]-before[1-cpu]; mine < 10 || other != 0 {
			t.Errorf("processor %d sent: its SA carried %d packets, the other one's %d", cpu, mine, other)
		}
	}
	// Without them, all goes by the one for every processor.
	for _, sa := range out {
		if err := hosts[0].Plane.Remove(sa.ID()); err != nil {
			t.Fatal(err)
		}
	}
	l.Carry(t, hosts, 16<<10)
}

func TestKernelProbeSaysWhatAKernelIsTooOldFor(t *testing.T) {
	r := Probe(t.Context())
	if !r.Usable {
		t.Fatal(r.Findings)
	}
	var want []string
	if !hasCPUs(t) {
		want = []string{"SAs of one processor"}
	}
	if !slices.Equal(r.Lacks, want) {
		t.Errorf("it lacks %q, want %q", r.Lacks, want)
	}
}
