package firewall

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/google/nftables"
)

// Offloading is how the fast path of established connections is.
type Offloading struct {
	// Wanted is whether the policy in force asks for it.
	Wanted bool
	// Devices take part at present; Absent would, but are not there.
	Devices, Absent []string
	// Hardware says that the devices carry the connections by themselves;
	// NoHardware is why they do not although the policy asks for that.
	Hardware   bool
	NoHardware string
	// Refused is why it is not in use although it is wanted; empty: it is.
	Refused string
}

// String is a sentence for the overview and the log.
func (o Offloading) String() string {
	switch {
	case !o.Wanted:
		return "switched off"
	case o.Refused != "":
		return "not available on this kernel: " + o.Refused
	case len(o.Devices) == 0:
		return "waiting for " + strings.Join(o.Absent, ", ")
	}
	s := "in use for " + strings.Join(o.Devices, ", ")
	if o.Hardware {
		s += " by the hardware"
	}
	if o.NoHardware != "" {
		s += " (not by the hardware: " + o.NoHardware + ")"
	}
	if len(o.Absent) > 0 {
		s += "; waiting for " + strings.Join(o.Absent, ", ")
	}
	return s
}

// Offloading is how the fast path of the policy in force is.
func (a *Applier) Offloading() Offloading {
	a.mu.Lock()
	defer a.mu.Unlock()
	o := a.offloading
	o.Devices, o.Absent = slices.Clone(o.Devices), slices.Clone(o.Absent)
	return o
}

// fit makes of a ruleset the one that this kernel and its devices can carry: a
// flow table must name devices that are there. Needs a.mu.
func (a *Applier) fit(r Ruleset) (Ruleset, Offloading) {
	if r.flows == nil {
		return r, Offloading{}
	}
	o := Offloading{Wanted: true}
	if a.fastPath == nil {
		err := probeFastPath()
		a.fastPath = &err
	}
	if err := *a.fastPath; err != nil {
		return r.refuse(o, err)
	}
	there, err := deviceNames()
	if err != nil {
		return r.refuse(o, err)
	}
	for _, d := range r.flows.devices {
		if slices.Contains(there, d) {
			o.Devices = append(o.Devices, d)
		} else {
			o.Absent = append(o.Absent, d)
		}
	}
	if r.flows.hardware && len(o.Devices) > 0 {
		err := probeHardware(o.Devices)
		if o.Hardware = err == nil; err != nil {
			o.NoHardware = err.Error()
		}
	}
	r.flows = &flowtable{devices: o.Devices, hardware: o.Hardware}
	return r, o
}

// refuse gives up the fast path.
func (r Ruleset) refuse(o Offloading, err error) (Ruleset, Offloading) {
	o.Refused, o.Devices, o.Absent, o.Hardware = err.Error(), nil, nil, false
	return r.without(), o
}

// probeFastPath tries a flow table, and then a rule that uses it, in a network
// namespace that is thrown away. Where none can be made, the apply itself will see.
func probeFastPath() (err error) {
	tried := Ruleset{flows: &flowtable{devices: []string{"lo"}}}
	_ = elsewhere(func() {
		if err = send(tried.steps(nil, "probe")); err != nil {
			err = fmt.Errorf("it has no flow tables (nf_flow_table_inet): %w", reason(err))
			return
		}
		tried.addChain(chainOffload, nil, when(overTCP, fastPath{}))
		if err = send(tried.steps(nil, "probe")); err != nil {
			err = fmt.Errorf("its rules cannot use flow tables (nft_flow_offload): %w", reason(err))
		}
	})
	return err
}

// probeHardware asks whether these devices carry connections themselves: a table
// that the same batch removes again meets no packet.
func probeHardware(devices []string) error {
	table := &nftables.Table{Name: tableName + "_probe", Family: nftables.TableFamilyINet}
	return reason(send([]step{{what: "flow offload by the hardware", messages: 3, add: func(c *nftables.Conn) error {
		c.AddTable(table)
		c.AddFlowtable(flowtable{devices: devices, hardware: true}.kernel(table))
		c.DelTable(table)
		return nil
	}}}))
}

// reason is what the kernel said, without to what.
func reason(err error) error {
	if refused := (*refusedError)(nil); errors.As(err, &refused) {
		return refused.err
	}
	return err
}
