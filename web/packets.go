package web

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"gatehouse/store"
)

// packetsPage is a part of the firewall's log.
type packetsPage struct {
	Packets []packetLine
	Query   url.Values
	Paused  bool
	// Turn is the address of this page that follows, or does not.
	Turn string
	// Stream tells of new packets; empty on an older part.
	Stream string
	Newest string // address of the newest part; empty on it
	Older  string
	Zones  []string
	// Unreported are rules with packets that are not in the log.
	Unreported []unreported
}

type packetLine struct {
	Packet
	Service string
	Because string
	// Object is the address of the rule or forward that decided.
	Object string
}

type unreported struct {
	Rule, Because string
	Packets       uint64
}

// packetsShown on one page.
const packetsShown = 100

func (s *server) packets(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	p := packetsPage{Query: q, Paused: q.Get("follow") == "no"}
	f, err := ParsePacketFilter(q)
	var found store.ValidationError
	code := http.StatusOK
	if errors.As(err, &found) {
		code = http.StatusUnprocessableEntity
	} else if err := s.fillPackets(r, &p, f); err != nil {
		s.fail(w, r, err)
		return
	}
	s.render(w, r, code, "packets", view{Title: "Log", Page: p, Errors: formErrors(found)})
}

func (s *server) fillPackets(r *http.Request, p *packetsPage, f PacketFilter) error {
	draft, err := s.Store.Draft(r.Context())
	if err != nil {
		return err
	}
	objects := deciding(draft)
	p.Zones = zonesOf(draft)
	before, _ := strconv.ParseUint(p.Query.Get("before"), 10, 64)
	all, more := s.Gateway.Packets(f, before, packetsShown)
	for _, packet := range all {
		p.Packets = append(p.Packets, packetLine{packet, service(packet.Protocol, packet.To.Port), because(packet.Rule), objects[packet.Rule]})
	}
	with := func(path, name, value string) string {
		q := url.Values{}
		for k, v := range p.Query {
			if k != "before" && v[0] != "" {
				q[k] = v
			}
		}
		if value == "" {
			q.Del(name)
		} else {
			q.Set(name, value)
		}
		if len(q) == 0 {
			return path
		}
		return path + "?" + q.Encode()
	}
	const path = "/firewall/log"
	if more {
		p.Older = with(path, "before", strconv.FormatUint(all[len(all)-1].Number, 10))
	}
	p.Turn = with(path, "follow", "no")
	if p.Paused {
		p.Turn = with(path, "follow", "")
	}
	if before > 0 {
		p.Newest = with(path, "follow", "")
	} else if !p.Paused {
		p.Stream = with("/api/v1/firewall/log/stream", "follow", "")
	}
	lost, err := s.Gateway.Unreported(r.Context())
	if err != nil {
		s.Log.Error("cannot compare the log with the counters", "err", err)
		return nil // the log itself is there
	}
	for rule, n := range lost {
		if n > 0 && (f.Rule == "" || f.Rule == rule) {
			p.Unreported = append(p.Unreported, unreported{rule, because(rule), n})
		}
	}
	slices.SortFunc(p.Unreported, func(a, b unreported) int {
		return cmp.Or(cmp.Compare(b.Packets, a.Packets), cmp.Compare(a.Rule, b.Rule))
	})
	p.Unreported = p.Unreported[:min(len(p.Unreported), 20)]
	return nil
}

func editing(plural, name string) string {
	return "/objects/" + plural + "/edit?" + url.Values{"name": {name}}.Encode()
}

// zonesOf are all zones, with the gateway itself.
func zonesOf(doc store.Document) []string {
	out := []string{string(store.ZoneWAN), string(store.ZoneLAN), string(store.ZoneVPN), string(store.ZoneGateway)}
	for _, z := range doc.Zones {
		out = append(out, string(z.Name))
	}
	return out
}

// apiPackets is a part of the log, the newest first; Before continues it.
type apiPackets struct {
	Items  []apiPacket `json:"items"`
	Before uint64      `json:"before,omitempty"`
	// Unreported counts, by rule, what was decided but is not in the log.
	Unreported map[string]uint64 `json:"unreported,omitempty"`
}

type apiPacket struct {
	Packet
	Because string `json:"because,omitempty"`
}

func (s *server) apiPackets(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	f, err := ParsePacketFilter(q)
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	before, _ := strconv.ParseUint(q.Get("before"), 10, 64)
	all, more := s.Gateway.Packets(f, before, limitOf(q))
	out := apiPackets{Items: []apiPacket{}}
	for _, p := range all {
		out.Items = append(out.Items, apiPacket{p, because(p.Rule)})
	}
	if more {
		out.Before = all[len(all)-1].Number
	}
	if out.Unreported, err = s.Gateway.Unreported(r.Context()); err != nil {
		s.refuse(w, r, err)
		return
	}
	s.answer(w, http.StatusOK, "application/json", out)
}

// limitOf is how many items an API request asks for.
func limitOf(q url.Values) int {
	limit, err := strconv.Atoi(q.Get("limit"))
	if err != nil || limit < 1 || limit > 1000 {
		return 100
	}
	return limit
}

// Bounds of the stream: how many there are at once, how long one lasts before
// the browser must ask, and be let in, again, and how often news are told.
const (
	maxStreams  = 16
	streamLife  = 10 * time.Minute
	streamPause = time.Second
	// streamPart is how many packets one message has at most; of more in a
	// second the newest are told, and the page has the rest.
	streamPart = 100
	streamBeat = 20 * time.Second
)

// streamPackets sends what is new as server-sent events (the HTML standard,
// 9.2), each a JSON list of packets.
func (s *server) streamPackets(w http.ResponseWriter, r *http.Request) {
	f, err := ParsePacketFilter(r.URL.Query())
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	select {
	case s.streams <- struct{}{}:
		defer func() { <-s.streams }()
	default:
		w.Header().Set("Retry-After", "60")
		s.answer(w, http.StatusServiceUnavailable, "application/problem+json", problem{Title: "Too many follow the log already", Status: http.StatusServiceUnavailable})
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), streamLife)
	defer cancel()
	out := http.NewResponseController(w)
	w.Header().Set("Content-Type", "text/event-stream")
	send := func(text string) error {
		if err := out.SetWriteDeadline(time.Now().Add(streamBeat)); err != nil {
			return err
		}
		if _, err := fmt.Fprint(w, text); err != nil {
			return err
		}
		return out.Flush()
	}
	var last uint64
	if newest, _ := s.Gateway.Packets(PacketFilter{}, 0, 1); len(newest) > 0 {
		last = newest[0].Number
	}
	// The server's limit on reading a request would end this one.
	err = errors.Join(out.SetReadDeadline(time.Now().Add(streamLife)), send("retry: 5000\n\n"))
	for err == nil {
		news := s.Gateway.PacketNews(last)
		if news == nil {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(streamBeat):
			err = send(": still here\n\n")
			continue
		case <-news:
		}
		var all []Packet
		if all, last = s.Gateway.PacketsAfter(f, last, streamPart); len(all) > 0 {
			var text []byte
			if text, err = json.Marshal(all); err == nil {
				err = send("data: " + string(text) + "\n\n")
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(streamPause):
		}
	}
	s.Log.Debug("the stream ended", "err", err)
}
