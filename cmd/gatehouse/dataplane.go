package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"

	"golang.org/x/sys/unix"

	"gatehouse/ipsec"
	"gatehouse/ipsec/esp"
	"gatehouse/ipsec/sad"
	"gatehouse/ipsec/xfrm"
)

// choice is the data plane taken and the sentence that says why.
type choice struct{ name, why string }

// The data planes.
const (
	kernelPlane    = "kernel"
	userspacePlane = "userspace"
)

// chooseDataplane honours --dataplane. "auto" asks the kernel honestly: it
// tries what IPsec needs in a scratch namespace and reports what failed.
func chooseDataplane(ctx context.Context, wanted string) (choice, error) {
	switch wanted {
	case userspacePlane:
		return choice{userspacePlane, "It was asked for (--dataplane userspace)."}, nil
	case kernelPlane:
		r := xfrm.Probe(ctx)
		if !r.Usable {
			return choice{}, fmt.Errorf("--dataplane kernel: this kernel cannot do it: %s", strings.Join(r.Findings, "; "))
		}
		return choice{kernelPlane, "It was asked for (--dataplane kernel)." + lacking(r)}, nil
	case "auto":
		r := xfrm.Probe(ctx)
		if !r.Usable {
			return choice{userspacePlane, "The kernel cannot carry IPsec: " + strings.Join(r.Findings, "; ") + "."}, nil
		}
		return choice{kernelPlane, "The kernel can carry IPsec: it was tried." + lacking(r)}, nil
	}
	return choice{}, fmt.Errorf("--dataplane %q: choose auto, kernel or userspace", wanted)
}

// lacking is a sentence about what the kernel does without.
func lacking(r xfrm.Report) string {
	if len(r.Lacks) == 0 {
		return ""
	}
	return " It has no " + strings.Join(r.Lacks, " and no ") + "."
}

// helped is a sentence about network devices that encrypt.
func helped(p plane) string {
	counts, ok := p.(interface{ Offloaded() int })
	if !ok || counts.Offloaded() == 0 {
		return ""
	}
	return fmt.Sprintf(" Network devices encrypt for %d SAs.", counts.Offloaded())
}

// plane is a data plane that runs.
type plane interface {
	ipsec.Plane
	Run(context.Context) error
	Close() error
}

// interfaceID ties SAs and policies of the kernel to ipsec0. Other software that
// uses xfrm interfaces has other numbers.
const interfaceID = 0x67617465

// open makes the plane that was chosen.
func (c choice) open(log *slog.Logger, ike func(local, remote netip.AddrPort, msg []byte), event func(sad.Event)) (plane, error) {
	if c.name == kernelPlane {
		p, err := xfrm.Open(xfrm.Config{Device: tunnelDevice, IfID: interfaceID, Port: natTPort, Mark: engineMark, Log: log, IKE: ike, Event: event})
		if err != nil {
			return nil, fmt.Errorf("kernel data plane: %w", err)
		}
		return p, nil
	}
	// What an earlier start left in the kernel would take packets away.
	if err := xfrm.Clear(interfaceID); err != nil {
		log.Debug("cannot look what the kernel has of an earlier start", "err", err)
	}
	p, err := esp.Open(esp.Config{Device: tunnelDevice, Port: natTPort, Mark: engineMark, Log: log, IKE: ike, Event: event})
	if err != nil {
		return nil, fmt.Errorf("userspace data plane: %w", err)
	}
	return p, nil
}

// prepare is what the plane needs done to the socket of UDP 500.
func (c choice) prepare() func(fd int, v6 bool) error {
	return func(fd int, v6 bool) error {
		// What also holds the peer leads into the tunnel by another table, which IKE
		// passes by as the plane's own packets do.
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_MARK, engineMark); err != nil {
			return fmt.Errorf("mark the socket of IKE: %w", err)
		}
		if c.name == kernelPlane {
			return xfrm.Bypass(fd, v6)
		}
		return nil
	}
}
