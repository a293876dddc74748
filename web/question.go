package web

import (
	"fmt"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"gatehouse/store"
)

// Question asks what would become of a new connection. The words are those of
// the form, as they were typed; who answers reads them.
type Question struct {
	// Source is an address; or User is somebody with a fixed one.
	Source, User string
	Destination  string
	// Protocol is tcp, udp, icmp, gre, esp or a number.
	Protocol string
	// Port is the destination port of tcp and udp.
	Port string
	// Message is the ICMP message, as services name them; empty: a ping.
	Message string
	// From is the zone or interface by which the packet comes; empty: the one
	// where its source is.
	From string
	// MAC and DSCP are of the packet; empty: not known, and 0.
	MAC, DSCP string
	// Time is as in 2026-11-25 14:30 in the system's time zone; empty: now.
	Time string
	// Draft asks what is not applied yet.
	Draft bool
}

// ParseQuestion reads one from a query whose names are those in JSON.
func ParseQuestion(q url.Values) Question {
	get := func(name string) string { return strings.TrimSpace(q.Get(name)) }
	return Question{
		Source: get("source"), User: get("user"), Destination: get("destination"), Protocol: get("protocol"), Port: get("port"),
		Message: get("message"), From: get("from"), MAC: get("mac"), DSCP: get("dscp"), Time: get("time"), Draft: get("draft") != "",
	}
}

// Query is the question in an address.
func (q Question) Query() url.Values {
	out := url.Values{}
	for name, text := range map[string]string{
		"source": q.Source, "user": q.User, "destination": q.Destination, "protocol": q.Protocol, "port": q.Port, "message": q.Message,
		"from": q.From, "mac": q.MAC, "dscp": q.DSCP, "time": q.Time,
	} {
		if text != "" {
			out.Set(name, text)
		}
	}
	if q.Draft {
		out.Set("draft", "on")
	}
	return out
}

// Answer is what would become of it.
type Answer struct {
	// Verdict is allow, drop or reject.
	Verdict string `json:"verdict"`
	// Rule is what decided: a rule, a port forward or one of the firewall's own;
	// empty: the defaults between zones.
	Rule string `json:"rule,omitempty"`
	// Kind says which: rule, forward, built-in or default.
	Kind string `json:"kind"`
	// Source and Destination are what was asked about; From and To their zones,
	// To after the destination was translated.
	Source      netip.Addr `json:"source"`
	Destination netip.Addr `json:"destination"`
	Protocol    string     `json:"protocol"`
	Port        uint16     `json:"port,omitempty"`
	From        string     `json:"from"`
	To          string     `json:"to"`
	// User is whose address the source is.
	User  string    `json:"user,omitempty"`
	At    time.Time `json:"at"`
	Draft bool      `json:"draft"`
	// Limit says how many the rule allows; more are dropped.
	Limit string `json:"limit,omitempty"`
	// Led is where a forward or one-to-one address leads it.
	Led *Translation `json:"led,omitempty"`
	// Seen is under which source its destination sees it.
	Seen *Translation `json:"seen,omitempty"`
	// Route is how it goes on.
	Route *RouteTaken `json:"route,omitempty"`
	// Tunnel is the branch whose tunnel takes it, or brings it.
	Tunnel *TunnelTaken `json:"tunnel,omitempty"`
	// Words say all of it.
	Words []string `json:"words"`
}

// Translation is an address that takes the place of another.
type Translation struct {
	By      string     `json:"by"` // a forward, a NAT entry or masquerade
	Address netip.Addr `json:"address"`
	Port    uint16     `json:"port,omitempty"`
	// Kept says that the entry leaves it as it is.
	Kept bool `json:"kept,omitempty"`
}

// RouteTaken is the route of a destination.
type RouteTaken struct {
	Network   netip.Prefix `json:"network"`
	Interface string       `json:"interface,omitempty"` // the admin's name
	Device    string       `json:"device,omitempty"`
	Via       netip.Addr   `json:"via,omitzero"`
	// Unreachable routes refuse instead.
	Unreachable bool `json:"unreachable,omitempty"`
}

// TunnelTaken is what IPsec does with it.
type TunnelTaken struct {
	Branch string `json:"branch"`
	// Enters says that it goes into the tunnel; otherwise it comes out of it.
	Enters bool `json:"enters"`
	// Selected says that the branch's networks have both addresses; otherwise
	// the tunnel refuses it.
	Selected bool `json:"selected"`
	Off      bool `json:"off,omitempty"` // the tunnel is switched off
}

// InWords fills in the sentences.
func (a Answer) InWords() Answer {
	say := func(format string, args ...any) { a.Words = append(a.Words, fmt.Sprintf(format, args...)) }
	a.Words = nil
	if a.Led != nil {
		say("%s leads it to %s.", a.Led.By, where(a.Led.Address, a.Led.Port))
	}
	zones := fmt.Sprintf("from %s to %s", zoneOf(a.From), zoneOf(a.To))
	verdict := map[string]string{"allow": "allowed", "drop": "dropped without an answer", "reject": "rejected with an answer"}[a.Verdict]
	switch a.Kind {
	case "rule":
		say("It is %s by rule %s (%s).", verdict, a.Rule, zones)
	case "forward":
		say("It is %s by port forward %s (%s).", verdict, a.Rule, zones)
	case "built-in":
		say("It is %s by %s (%s). %s", verdict, a.Rule, zones, because(a.Rule))
	default:
		say("It is %s: no rule decides, so the default between the zones does (%s).", verdict, zones)
	}
	if a.Limit != "" {
		say("Rule %s allows %s; what is more is dropped.", a.Rule, a.Limit)
	}
	if a.User != "" {
		say("%s is a fixed address of %s.", a.Source, a.User)
	}
	if a.Tunnel != nil && !a.Tunnel.Enters {
		say("It comes out of the tunnel of branch %s.", a.Tunnel.Branch)
	}
	if a.Verdict != "allow" {
		return a
	}
	if r := a.Route; r != nil {
		switch {
		case r.Unreachable:
			say("Its route is to nowhere: %s is answered as unreachable.", r.Network)
		case r.Interface == "" && r.Device == "":
			say("It is for this gateway itself.")
		case r.Via.IsValid():
			say("It goes on by %s to %s (route to %s).", port(r), r.Via, r.Network)
		case a.Tunnel != nil && a.Tunnel.Enters:
			say("It goes on by %s (route to %s).", r.Device, r.Network)
		default:
			say("It goes on by %s, where %s is (%s).", port(r), a.ends(), r.Network)
		}
	} else {
		say("There is no route to %s: it is answered as unreachable.", a.ends())
	}
	if s := a.Seen; s != nil {
		if s.Kept {
			say("NAT entry %s leaves its source as it is.", s.By)
		} else {
			say("Its destination sees it come from %s (%s).", s.Address, s.By)
		}
	}
	a.Words = append(a.Words, a.guard()...)
	return a
}

// guard is what IPsec and the guard against leaks say of what goes into a
// tunnel.
func (a Answer) guard() []string {
	t := a.Tunnel
	switch {
	case t == nil || !t.Enters:
		if a.To != string(store.ZoneWAN) {
			return nil
		}
		return []string{"No tunnel takes it: this gateway does not encrypt it."}
	case t.Off:
		return []string{fmt.Sprintf("Branch %s is switched off. Nothing for its networks leaves unprotected: every other way is shut.", t.Branch)}
	case !t.Selected:
		return []string{fmt.Sprintf("The tunnel of branch %s does not take it: its networks on this side do not have the source. It is dropped, and no other way is open.", t.Branch)}
	}
	return []string{fmt.Sprintf("IPsec protects it: the tunnel of branch %s takes it. If the tunnel is down it is dropped, and never leaves unprotected.", t.Branch)}
}

// ends is where it goes after all.
func (a Answer) ends() netip.Addr {
	if a.Led != nil {
		return a.Led.Address
	}
	return a.Destination
}

func where(addr netip.Addr, port uint16) string {
	if port == 0 {
		return addr.String()
	}
	return addr.String() + " port " + strconv.Itoa(int(port))
}

func zoneOf(zone string) string {
	if zone == "" {
		return "nowhere"
	}
	if words := store.Zone(zone).Words(); words != zone {
		return words
	}
	return "zone " + zone
}

// port is an interface by both its names.
func port(r *RouteTaken) string {
	if r.Interface == "" {
		return r.Device
	}
	return "interface " + r.Interface + " (" + r.Device + ")"
}
