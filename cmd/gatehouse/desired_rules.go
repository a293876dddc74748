package main

import (
	"cmp"
	"net"
	"slices"
	"time"

	"gatehouse/firewall"
	"gatehouse/store"
)

// rules translates the admin's rules, and what they name.
func (m *members) rules() []firewall.Rule {
	services := map[string]store.Service{}
	for _, s := range m.doc.Services {
		services[s.Name] = s
	}
	schedules := map[string]store.Schedule{}
	for _, s := range m.doc.Schedules {
		schedules[s.Name] = s
	}
	following := m.now.following(m.doc)
	var out []firewall.Rule
	for _, r := range m.doc.Firewall.Rules {
		if r.Disabled {
			continue
		}
		fr := firewall.Rule{
			ID: r.Name, From: string(r.From), To: string(r.To),
			Sources: following.networks(r.Sources), Destinations: following.networks(r.Destinations), SourceMACs: macs(r.SourceMACs),
			SourceLists:      slices.Concat(r.SourceLists, m.ids(r.SourceUsers, r.SourceGroups, r.SourceBranches)),
			DestinationLists: slices.Concat(r.DestinationLists, m.ids(r.DestinationUsers, r.DestinationGroups, r.DestinationBranches)),
			Protocol:         protocols[r.Protocol], Ports: portRanges(r.Ports), DSCP: codePoints(r.DSCP),
			Limit: limit(r), Action: actions[r.Action], Log: r.Log,
		}
		// What follows a prefix that is not there is nobody, not anybody.
		if len(r.Sources) > 0 && len(fr.Sources)+len(fr.SourceLists) == 0 || len(r.Destinations) > 0 && len(fr.Destinations)+len(fr.DestinationLists) == 0 {
			continue
		}
		for _, name := range r.Services {
			fr.Services = append(fr.Services, matched(services[name])...)
		}
		for _, name := range r.Schedules {
			fr.Times = append(fr.Times, utc(schedules[name].Windows(), m.now.offset)...)
		}
		out = append(out, fr)
	}
	return out
}

// matched is what a named service matches. The store has read all of it before.
func matched(s store.Service) []firewall.Service {
	if numbers, err := store.ParseProtocolNumbers(s.Protocol); err == nil {
		one := firewall.Service{Protocol: firewall.OtherProtocol}
		for _, n := range numbers {
			one.Numbers = append(one.Numbers, firewall.NumberRange(n))
		}
		return []firewall.Service{one}
	}
	var out []firewall.Service
	for _, p := range split(s.Protocol) {
		one := firewall.Service{Protocol: p, Ports: portRanges(s.Ports)}
		for _, text := range s.Messages {
			all, _ := store.ParseMessage(text)
			for _, m := range all {
				one.Messages = append(one.Messages, firewall.Message(m))
			}
		}
		out = append(out, one)
	}
	return out
}

func macs(texts []string) (out []firewall.MAC) {
	for _, text := range texts {
		if hw, err := net.ParseMAC(text); err == nil {
			out = append(out, firewall.MAC(hw))
		}
	}
	return out
}

func codePoints(names []string) (out []uint8) {
	for _, name := range names {
		if n, err := store.ParseDSCP(name); err == nil {
			out = append(out, n)
		}
	}
	return out
}

var periods = map[string]time.Duration{"second": time.Second, "minute": time.Minute, "hour": time.Hour, "day": 24 * time.Hour}

func limit(r store.Rule) firewall.Limit {
	return firewall.Limit{
		Rate: r.LimitRate, Per: periods[r.LimitPer], Burst: cmp.Or(r.LimitBurst, r.LimitRate), Open: r.LimitOpen, PerSource: r.LimitPerSource,
	}
}

const day, week = 24 * 60 * 60, 7 * 24 * 60 * 60

// utc moves windows of a week of local time, which is so many seconds ahead of
// UTC, to where they are in UTC. What passes midnight there becomes two spans.
func utc(windows []store.Window, ahead int) []firewall.TimeSpan {
	var out []firewall.TimeSpan
	for _, w := range windows {
		begin := ((int(w.Day)*day+w.Begin-ahead)%week + week) % week
		for left := w.Length; left > 0; {
			from := begin % day
			part := min(left, day-from)
			out = append(out, firewall.TimeSpan{Day: time.Weekday(begin / day), From: from, To: from + part - 1})
			begin, left = (begin+part)%week, left-part
		}
	}
	return out
}
