package main

import (
	"context"
	"fmt"
	"strings"

	"gatehouse/ipsec/xfrm"
)

// choice is the data plane taken and the sentence that says why.
type choice struct{ name, why string }

// chooseDataplane honours --dataplane. "auto" asks the kernel honestly: it
// tries what IPsec needs in a scratch namespace and reports what failed.
func chooseDataplane(ctx context.Context, wanted string) (choice, error) {
	const userspace = "userspace"
	switch wanted {
	case userspace:
		return choice{userspace, "It was asked for (--dataplane userspace)."}, nil
	case "kernel":
		if r := xfrm.Probe(ctx); !r.Usable {
			return choice{}, fmt.Errorf("--dataplane kernel: this kernel cannot do it: %s", strings.Join(r.Findings, "; "))
		}
		return choice{}, fmt.Errorf("--dataplane kernel: this version of Gatehouse has no kernel data plane yet; use auto or userspace")
	case "auto":
		r := xfrm.Probe(ctx)
		if r.Usable {
			return choice{userspace, "The kernel could carry IPsec, but this version of Gatehouse has no kernel data plane yet."}, nil
		}
		return choice{userspace, "The kernel cannot carry IPsec: " + strings.Join(r.Findings, "; ") + "."}, nil
	}
	return choice{}, fmt.Errorf("--dataplane %q: choose auto, kernel or userspace", wanted)
}
