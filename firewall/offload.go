package firewall

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
)

// Names of the fast path's parts.
const (
	flowtableName  = "fast_path"
	offloadDevices = "offload_devices" // the set of them
	chainKnown     = "established"     // where forward sends what it knows
	chainOffload   = "offloadable"
)

// flowtable is the fast path of established connections: their packets are
// passed on as they come in from a device, past every chain.
type flowtable struct {
	devices  []string
	hardware bool // the devices themselves carry the connections
}

// known is what becomes of the packets of an established connection that is
// passed through.
//
// A connection on the fast path meets no chain any more, so what must be looked at
// packet by packet never gets there: what goes through a tunnel, and what shaping
// has to queue. Where packets leave is no proof that they do not belong into a
// tunnel, for routes change while connections run; so both the devices and the
// addresses must be right. An apply makes the fast path anew: every connection is
// judged again by its next packet.
func (c *compiler) known() verdict {
	var devices []string
	if c.policy.Offload {
		for _, i := range c.policy.Interfaces {
			if !slices.Contains(c.policy.NoOffload, i.Device) {
				devices = append(devices, i.Device)
			}
		}
	}
	if len(devices) == 0 {
		return accept
	}
	c.out.flows = &flowtable{devices: devices, hardware: c.policy.HardwareOffload}
	c.out.addSet(deviceSet(offloadDevices, devices))
	var rules []rule
	for _, field := range []addressField{source, destination} {
		for _, m := range fromPool(field, remote, c.pools[remote]) {
			rules = append(rules, when(m, accept))
		}
	}
	rules = append(rules, when(overTCP, fastPath{}), when(overUDP, fastPath{}), when(accept))
	c.out.addChain(chainOffload, nil, rules...)
	c.out.addChain(chainKnown, nil,
		when(deviceIn{incoming, offloadDevices}, deviceIn{outgoing, offloadDevices}, goTo(chainOffload)), when(accept))
	return goTo(chainKnown)
}

// fastPath puts the packet's connection on the fast path. What cannot be there,
// such as a connection that is not established yet, goes on to the next rule.
type fastPath struct{}

func (fastPath) text() string              { return "flow add @" + flowtableName }
func (fastPath) exprs(setNames) []expr.Any { return []expr.Any{&expr.FlowOffload{Name: flowtableName}} }

// without is the ruleset for a kernel that has no fast path.
func (r Ruleset) without() Ruleset {
	r.flows = nil
	r.chains = slices.Clone(r.chains)
	for i := range r.chains {
		if r.chains[i].name == chainKnown || r.chains[i].name == chainOffload {
			r.chains[i].rules = []rule{when(accept)}
		}
	}
	return r
}

func (f flowtable) write(w io.Writer) {
	fmt.Fprintf(w, "\tflowtable %s {\n\t\thook ingress priority filter\n", flowtableName)
	if len(f.devices) > 0 {
		quoted := make([]string, len(f.devices))
		for i, d := range f.devices {
			quoted[i] = strconv.Quote(d)
		}
		fmt.Fprintf(w, "\t\tdevices = { %s }\n", strings.Join(quoted, ", "))
	}
	if f.hardware {
		io.WriteString(w, "\t\tflags offload\n")
	}
	// Who looks at connections wants to know how much they carried.
	io.WriteString(w, "\t\tcounter\n\t}\n")
}

func (f flowtable) kernel(table *nftables.Table) *nftables.Flowtable {
	k := &nftables.Flowtable{Table: table, Name: flowtableName, Devices: f.devices, Flags: nftables.FlowtableFlagsCounter}
	if f.hardware {
		k.Flags |= nftables.FlowtableFlagsHWOffload
	}
	return k
}

func (f flowtable) step(table *nftables.Table) step {
	return step{what: "flow offload for " + strings.Join(f.devices, ", "), add: func(c *nftables.Conn) error {
		c.AddFlowtable(f.kernel(table))
		return nil
	}}
}
