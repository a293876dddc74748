package main

import (
	"cmp"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"time"

	"gatehouse/firewall"
	"gatehouse/store"
	"gatehouse/web"
)

// enquiry is a question that was understood.
type enquiry struct {
	flow firewall.Flow
	// arrives is the zone or interface that the packet comes by; empty: that of
	// its source.
	arrives string
}

// understand reads a question. A ValidationError names the fields at fault.
func understand(q web.Question, doc store.Document, holders []store.Holder, at time.Time) (enquiry, error) {
	r := &reader{}
	a := enquiry{flow: firewall.Flow{At: at}, arrives: q.From}
	a.flow.Destination = r.address("destination", q.Destination)
	switch {
	case q.User != "" && q.Source != "":
		r.bad("user", "choice", "Name a user or an address, not both.")
	case q.User != "":
		a.flow.Source = r.holder(q.User, doc, holders, a.flow.Destination)
	default:
		a.flow.Source = r.address("source", q.Source)
	}
	if s, d := a.flow.Source, a.flow.Destination; s.IsValid() && d.IsValid() && s.Is4() != d.Is4() {
		r.bad("destination", "family", "Source and destination must both be IPv4 or both IPv6.")
	}
	a.flow.Protocol = r.protocol(q.Protocol, a.flow.Source.Is6())
	hasPorts := a.flow.Protocol == 6 || a.flow.Protocol == 17
	switch port, err := strconv.ParseUint(q.Port, 10, 16); {
	case q.Port == "" && hasPorts:
		r.bad("port", "required", "tcp and udp need a port.")
	case q.Port != "" && !hasPorts && a.flow.Protocol != 0:
		r.bad("port", "choice", "Only tcp and udp have ports.")
	case q.Port != "" && (err != nil || port == 0):
		r.bad("port", "range", "The port must be a number from 1 to 65535.")
	default:
		a.flow.Port = uint16(port)
	}
	r.message(q.Message, &a.flow)
	if q.MAC != "" {
		hw, err := net.ParseMAC(q.MAC)
		if err != nil || len(hw) != len(a.flow.MAC) {
			r.bad("mac", "format", "A hardware address is six bytes, as in 02:00:5e:10:00:01.")
		} else {
			a.flow.MAC = firewall.MAC(hw)
		}
	}
	if q.DSCP != "" {
		n, err := store.ParseDSCP(q.DSCP)
		if err != nil {
			r.bad("dscp", "format", "%v.", err)
		}
		a.flow.DSCP = n
	}
	if q.From != "" && !known(doc, q.From) {
		r.bad("from", "unknown", "There is no zone or interface called %q.", q.From)
	}
	if r.found != nil {
		return enquiry{}, r.found
	}
	return a, nil
}

// reader gathers faults of a question.
type reader struct{ found store.ValidationError }

func (r *reader) bad(field, code, format string, args ...any) {
	r.found = append(r.found, store.FieldError{Field: field, Code: code, Message: fmt.Sprintf(format, args...)})
}

func (r *reader) address(field, text string) netip.Addr {
	if text == "" {
		r.bad(field, "required", "An IP address is needed.")
		return netip.Addr{}
	}
	a, err := netip.ParseAddr(text)
	if err != nil || a.Zone() != "" {
		r.bad(field, "format", "%q is not an IP address.", text)
		return netip.Addr{}
	}
	return a.Unmap()
}

// holder is a fixed address of a user's, of the destination's family.
func (r *reader) holder(user string, doc store.Document, holders []store.Holder, to netip.Addr) netip.Addr {
	for _, h := range holders {
		if h.User == user && (!to.IsValid() || h.Address.Is4() == to.Is4()) {
			return h.Address
		}
	}
	r.bad("user", "unknown", "%s has no device with a fixed address that may be used; give an address of the group's pool.", user)
	return netip.Addr{}
}

func (r *reader) protocol(text string, v6 bool) uint8 {
	switch text {
	case "tcp":
		return 6
	case "udp":
		return 17
	case "gre":
		return 47
	case "esp":
		return 50
	case "icmp":
		if v6 {
			return 58
		}
		return 1
	}
	n, err := strconv.ParseUint(text, 10, 8)
	if err != nil || n == 0 {
		r.bad("protocol", "choice", "%q is not tcp, udp, icmp, gre, esp or a number from 1 to 255.", text)
	}
	return uint8(n)
}

// message reads an ICMP message. Without one it is a ping.
func (r *reader) message(text string, f *firewall.Flow) {
	if text == "" {
		return
	}
	if f.Protocol != 1 && f.Protocol != 58 {
		r.bad("message", "choice", "Only icmp has messages.")
		return
	}
	all, err := store.ParseMessage(text)
	if err != nil {
		r.bad("message", "format", "%v.", err)
		return
	}
	for _, m := range all {
		if m.V6 == (f.Protocol == 58) {
			f.ICMPType, f.ICMPCode = m.Type, uint8(max(m.Code, 0))
			return
		}
	}
	r.bad("message", "family", "%s is not of the IP version of the addresses.", text)
}

// timeLayouts are how a time can be given, in the system's time zone.
var timeLayouts = []string{"2006-01-02 15:04", "2006-01-02T15:04", "2006-01-02 15:04:05"}

// timeOf reads when a question is about.
func timeOf(text string, where *time.Location, now time.Time) (time.Time, error) {
	if text == "" {
		return now, nil
	}
	if at, err := time.Parse(time.RFC3339, text); err == nil {
		return at, nil
	}
	for _, layout := range timeLayouts {
		if at, err := time.ParseInLocation(layout, text, where); err == nil {
			return at, nil
		}
	}
	return time.Time{}, store.ValidationError{{Field: "time", Code: "format", Message: fmt.Sprintf("%q is not a time, as in 2026-11-25 14:30.", text)}}
}

// known says whether a zone or an interface has this name.
func known(doc store.Document, name string) bool {
	switch store.Zone(name) {
	case store.ZoneLAN, store.ZoneWAN, store.ZoneVPN:
		return true
	}
	for _, z := range doc.Zones {
		if string(z.Name) == name {
			return true
		}
	}
	_, ok := interfaceCalled(doc, name)
	return ok
}

func interfaceCalled(doc store.Document, name string) (store.Interface, bool) {
	for _, i := range doc.Interfaces {
		if i.Name == name || i.Device == name {
			return i, true
		}
	}
	return store.Interface{}, false
}

// spoofed is why a packet cannot come by the port that it is said to come by;
// empty if it can.
func (a enquiry) spoofed(doc store.Document, at string) string {
	zone := a.arrives
	i, port := interfaceCalled(doc, a.arrives)
	if port {
		zone = string(i.Zone)
	}
	switch {
	case a.arrives == "":
		return ""
	case at != zone:
		return "spoof-" + cmp.Or(zone, "wan")
	case port && i.Zone != store.ZoneWAN && !inNetworks(doc, i, a.flow.Source):
		return "spoof-" + zone
	}
	return ""
}

// inNetworks says whether an address is behind an interface.
func inNetworks(doc store.Document, i store.Interface, addr netip.Addr) bool {
	for _, a := range i.Addresses {
		if a.Contains(addr) {
			return true
		}
	}
	for _, r := range doc.Routes {
		if onLink(i, r.Via) && r.Destination.Contains(addr) {
			return true
		}
	}
	return false
}
