package store

import (
	"fmt"
	"strconv"
	"strings"
)

// facts are what a person compares of one object.
type facts struct {
	name, summary string
	all           []fact
}

// fact is one field in words. A hidden one says only that it changed.
type fact struct {
	label, value string
	hidden       bool
}

// changedTo says how the same object is otherwise in another document.
func (f facts) changedTo(what string, new facts) []string {
	var out []string
	for i, n := range new.all {
		o := f.all[i]
		switch {
		case o.value == n.value:
		case n.hidden:
			out = append(out, fmt.Sprintf("%s %s: %s was changed.", what, f.name, n.label))
		default:
			out = append(out, fmt.Sprintf("%s %s: %s is now %s (was %s).", what, f.name, n.label, orNothing(n.value), orNothing(o.value)))
		}
	}
	return out
}

func orNothing(s string) string {
	if s == "" {
		return "not set"
	}
	return s
}

func list[T fmt.Stringer](all []T) string {
	var out []string
	for _, v := range all {
		out = append(out, v.String())
	}
	return strings.Join(out, ", ")
}

func number(n int, unit string) string {
	if n == 0 {
		return ""
	}
	return strings.TrimSpace(strconv.Itoa(n) + " " + unit)
}

func yes(b bool) string {
	if b {
		return "on"
	}
	return "off"
}

func (n Interface) facts() facts {
	return facts{name: n.Name, summary: fmt.Sprintf(" (%s, %s, %s)", n.Device, n.Zone, list(n.Addresses)), all: []fact{
		{label: "the device", value: n.Device},
		{label: "the zone", value: string(n.Zone)},
		{label: "the address", value: list(n.Addresses)},
		{label: "the gateway", value: list(n.Gateways)},
		{label: "the MTU", value: number(n.MTU, "")},
	}}
}

func (r Route) facts() facts {
	return facts{name: r.Destination.String(), summary: " via " + r.Via.String(), all: []fact{{label: "the next hop", value: r.Via.String()}}}
}

func (r Rule) facts() facts {
	var ports []string
	for _, p := range r.Ports {
		text := strconv.Itoa(int(p.First))
		if p.Last != p.First {
			text += "-" + strconv.Itoa(int(p.Last))
		}
		ports = append(ports, text)
	}
	from, to := zoneWords[r.From], zoneWords[r.To]
	return facts{name: r.Name, summary: fmt.Sprintf(" (%s, from %s to %s)", r.Action, from, to), all: []fact{
		{label: "from", value: from},
		{label: "to", value: to},
		{label: "the sources", value: list(r.Sources)},
		{label: "the destinations", value: list(r.Destinations)},
		{label: "the protocol", value: r.Protocol},
		{label: "the ports", value: strings.Join(ports, ", ")},
		{label: "the action", value: string(r.Action)},
		{label: "the log", value: yes(r.Log)},
		{label: "the note", value: r.Note},
	}}
}

func (b Branch) facts() facts {
	return facts{name: b.Name, summary: fmt.Sprintf(" (%s)", list(b.RemoteNetworks)), all: []fact{
		{label: "the tunnel", value: yes(b.Enabled)},
		{label: "their address", value: b.Peer},
		{label: "who calls", value: map[Start]string{StartAlways: "we", StartAnswer: "they"}[b.Start]},
		{label: "our networks", value: list(b.LocalNetworks)},
		{label: "their networks", value: list(b.RemoteNetworks)},
		{label: "our identity", value: b.LocalID},
		{label: "their identity", value: b.RemoteID},
		{label: "the shared key", value: b.PSK.Reveal(), hidden: true},
		{label: "the IKE proposals", value: strings.Join(b.IKEProposals, ", ")},
		{label: "the ESP proposals", value: strings.Join(b.ESPProposals, ", ")},
		{label: "the key lifetime", value: number(b.RekeySeconds, "seconds")},
		{label: "the patience with a silent peer", value: number(b.DPDSeconds, "seconds")},
		{label: "the note", value: b.Note},
	}}
}
