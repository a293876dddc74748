package store

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// language is everything, and rules that say all that can be said; those about
// users need addPeople first.
func language(t testing.TB) Document {
	doc := everything(t)
	addLanguage(&doc, rand.New(rand.NewPCG(3, 4)))
	doc.System.TimeZone = "Europe/London"
	doc.Firewall.Rules = append(doc.Firewall.Rules,
		Rule{Name: "of-alice", From: ZoneVPN, To: ZoneLAN, SourceUsers: []string{"alice"}, Action: Allow},
		Rule{Name: "to-alice", From: ZoneLAN, To: ZoneVPN, DestinationUsers: []string{"alice"}, Schedules: []string{"schedule-0"}, Action: Allow})
	if err := doc.Validate(); err != nil {
		t.Fatal(err)
	}
	return doc
}

// peopled is a database whose draft says all of it, and its people.
func peopled(t *testing.T) *DB {
	t.Helper()
	db := filled(t)
	addPeople(t, db)
	if err := db.Import(t.Context(), language(t)); err != nil {
		t.Fatal(err)
	}
	return db
}

func TestTheWholeLanguageComesBackAsItWas(t *testing.T) {
	ctx := t.Context()
	db := peopled(t)
	for _, k := range []string{"rule", "service", "schedule", "zone", "settings"} {
		rows, _, err := db.Objects(ctx, k, "", 0, 100)
		if err != nil || len(rows) == 0 {
			t.Fatal(k, err)
		}
		for _, r := range rows {
			o, err := db.Object(ctx, k, r.Name)
			if err != nil {
				t.Fatal(err)
			}
			for _, in := range []Input{{Form: o.Form}, {JSON: o.JSON}} {
				if _, err := db.PutObject(ctx, k, r.Name, o.Tag, in); err != nil {
					t.Errorf("%s %s: %v", k, r.Name, err)
				}
			}
		}
	}
	got, err := db.Draft(ctx)
	if d := cmp.Diff(language(t), got, compare); d != "" || err != nil {
		t.Errorf("%s %v", d, err)
	}
	text, err := got.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	again, err := ParseDocument(bytes.NewReader(text))
	if d := cmp.Diff(got, again, compare); d != "" || err != nil {
		t.Errorf("%s %v", d, err)
	}
}

func TestEveryFaultOfTheLanguageIsNamed(t *testing.T) {
	rule := func(name string, change func(*Rule)) func(*Document) {
		return func(d *Document) {
			i := slices.IndexFunc(d.Firewall.Rules, func(r Rule) bool { return r.Name == name })
			change(&d.Firewall.Rules[i])
			d.Firewall.Rules = d.Firewall.Rules[i : i+1]
		}
	}
	for name, c := range map[string]struct {
		field  string
		change func(*Document)
	}{
		"a time zone that nobody knows":   {"system.time_zone", func(d *Document) { d.System.TimeZone = "Europe/Atlantis" }},
		"the time of the machine":         {"system.time_zone", func(d *Document) { d.System.TimeZone = "Local" }},
		"a file elsewhere":                {"system.time_zone", func(d *Document) { d.System.TimeZone = "../../etc/passwd" }},
		"a time that is none":             {"schedules[0].from", func(d *Document) { d.Schedules[0].From = "25:00" }},
		"a beginning at the end of a day": {"schedules[0].from", func(d *Document) { d.Schedules[0].From = "24:00" }},
		"a time without its zero":         {"schedules[0].to", func(d *Document) { d.Schedules[0].To = "8:30" }},
		"nothing":                         {"schedules[0].to", func(d *Document) { d.Schedules[0].To = d.Schedules[0].From }},
		"a day that is none":              {"schedules[0].days[0]", func(d *Document) { d.Schedules[0].Days = []string{"monday"} }},
		"a day twice":                     {"schedules[0].days[1]", func(d *Document) { d.Schedules[0].Days = []string{"mon", "mon"} }},
		"a protocol of number 0":          {"services[0].protocol", func(d *Document) { d.Services[0] = Service{Name: "x", Protocol: "0-5"} }},
		"a range that is upside down":     {"services[0].protocol", func(d *Document) { d.Services[0] = Service{Name: "x", Protocol: "51-50"} }},
		"a range with an open end":        {"services[0].protocol", func(d *Document) { d.Services[0] = Service{Name: "x", Protocol: "50-"} }},
		"ports of numbers":                {"services[0].ports", func(d *Document) { d.Services[0] = Service{Name: "x", Protocol: "6", Ports: []PortRange{{1, 2}}} }},
		"a message of tcp":                {"services[0].messages", func(d *Document) { d.Services[0].Protocol, d.Services[0].Messages = "tcp", []string{"redirect"} }},
		"a message that is none":          {"services[0].messages[0]", func(d *Document) { d.Services[0] = Service{Name: "x", Protocol: "icmp", Messages: []string{"8"}} }},
		"a code that is none": {"services[0].messages[0]", func(d *Document) {
			d.Services[0] = Service{Name: "x", Protocol: "icmp", Messages: []string{"icmp 3/256"}}
		}},
		"a hardware address that is none":      {"firewall.rules[0].source_macs[0]", rule("whole", func(r *Rule) { r.SourceMACs[0] = "02-00-5e-10-00-01" })},
		"the hardware address of a tunnel":     {"firewall.rules[0].source_macs", rule("whole", func(r *Rule) { r.From = ZoneVPN })},
		"the hardware address of a branch":     {"firewall.rules[0].source_macs", rule("whole", func(r *Rule) { r.From = "behind-group-0" })},
		"a code point that is none":            {"firewall.rules[0].dscp[0]", rule("whole", func(r *Rule) { r.DSCP = []string{"64"} })},
		"a code point by both its names":       {"firewall.rules[0].dscp[1]", rule("whole", func(r *Rule) { r.DSCP = []string{"ef", "46"} })},
		"a schedule that is not there":         {"firewall.rules[0].schedules[0]", rule("whole", func(r *Rule) { r.Schedules[0] = "never" })},
		"a limit without a time":               {"firewall.rules[0].limit_per", rule("whole", func(r *Rule) { r.LimitPer = "" })},
		"a limit of a week":                    {"firewall.rules[0].limit_per", rule("whole", func(r *Rule) { r.LimitPer = "week" })},
		"a time without a limit":               {"firewall.rules[0].limit_rate", rule("whole", func(r *Rule) { r.LimitRate, r.LimitBurst = 0, 0 })},
		"a burst without a limit":              {"firewall.rules[0].limit_rate", rule("whole", func(r *Rule) { r.LimitRate, r.LimitPer = 0, "" })},
		"a limit beyond what can be counted":   {"firewall.rules[0].limit_open", rule("whole", func(r *Rule) { r.LimitOpen = 1 << 30 })},
		"a limit of what is dropped":           {"firewall.rules[0].limit_rate", rule("whole", func(r *Rule) { r.Action = Drop })},
		"no limit that each could have":        {"firewall.rules[0].limit_per_source", rule("of-alice", func(r *Rule) { r.LimitPerSource = true })},
		"a group that is not there":            {"firewall.rules[0].source_groups[0]", rule("of-group-0", func(r *Rule) { r.SourceGroups[0] = "nobody" })},
		"a branch that is not there":           {"firewall.rules[0].destination_branches[0]", rule("whole", func(r *Rule) { r.DestinationBranches = []string{"york"} })},
		"a zone of ports and of branches":      {"zones[2].name", func(d *Document) { d.Interfaces[1].Zone = "behind-group-0" }},
		"a branch in two zones":                {"zones[3].branches[0]", func(d *Document) { d.Zones[3].Branches = d.Zones[2].Branches }},
		"a group in two zones":                 {"zones[3].groups[0]", func(d *Document) { d.Zones[3].Groups = d.Zones[2].Groups }},
		"a branch of a zone that is not there": {"zones[2].branches[0]", func(d *Document) { d.Zones[2].Branches = []string{"york"} }},
	} {
		doc := language(t)
		c.change(&doc)
		var found ValidationError
		if err := doc.Validate(); !errors.As(err, &found) || !slices.ContainsFunc(found, func(f FieldError) bool { return f.Field == c.field }) {
			t.Errorf("%s: %s is not named in: %v", name, c.field, err)
		}
	}
}

func TestWordsOfThePolicy(t *testing.T) {
	for text, want := range map[string]uint8{"ef": 46, "cs1": 8, "af21": 18, "0": 0, "63": 63, "le": 1} {
		if n, err := ParseDSCP(text); err != nil || n != want {
			t.Errorf("%s: %d %v", text, n, err)
		}
	}
	for _, wrong := range []string{"", "64", "-1", "046", "EF", "af44"} {
		if _, err := ParseDSCP(wrong); err == nil {
			t.Errorf("%q is a code point", wrong)
		}
	}
	if n, err := ParseProtocolNumbers("47, 50-51"); err != nil || !slices.Equal(n, []NumberRange{{47, 47}, {50, 51}}) {
		t.Errorf("%v %v", n, err)
	}
	for text, want := range map[string][]Message{
		"echo-request": {{false, 8, AnyCode}, {true, 128, AnyCode}}, "icmp 3/4": {{false, 3, 4}}, "icmpv6 1": {{true, 1, AnyCode}}, "icmp 0": {{false, 0, AnyCode}},
	} {
		if m, err := ParseMessage(text); err != nil || !slices.Equal(m, want) {
			t.Errorf("%s: %v %v", text, m, err)
		}
	}
}

func TestSchedulesAreWindowsOfTheWeek(t *testing.T) {
	for name, c := range map[string]struct {
		schedule Schedule
		want     []Window
	}{
		"by day":        {Schedule{Days: []string{"mon"}, From: "09:00", To: "17:30"}, []Window{{time.Monday, 9 * 3600, 8*3600 + 1800}}},
		"over midnight": {Schedule{Days: []string{"sun"}, From: "22:00", To: "06:00"}, []Window{{time.Sunday, 22 * 3600, 8 * 3600}}},
		"to midnight":   {Schedule{Days: []string{"sat"}, From: "22:00", To: "00:00"}, []Window{{time.Saturday, 22 * 3600, 2 * 3600}}},
		"a whole day":   {Schedule{Days: []string{"sat"}, From: "00:00", To: "24:00"}, []Window{{time.Saturday, 0, 24 * 3600}}},
	} {
		if got := c.schedule.Windows(); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v", name, got)
		}
	}
	if all := (Schedule{From: "09:00", To: "17:00"}).Windows(); len(all) != 7 {
		t.Errorf("every day: %v", all)
	}
}

func TestWhomADraftNamesStays(t *testing.T) {
	ctx := t.Context()
	db := peopled(t)
	if err := db.DeleteObject(ctx, "device", "phone"); err == nil {
		t.Error("a certificate names the phone")
	}
	for _, name := range []string{"certificate gateway", "device phone"} {
		kind, name, _ := strings.Cut(name, " ")
		if err := db.DeleteObject(ctx, kind, name); err != nil {
			t.Fatal(err)
		}
	}
	refused := func(want string) {
		t.Helper()
		var used InUseError
		if err := db.DeleteObject(ctx, "user", "alice"); !errors.As(err, &used) || err.Error() != want {
			t.Errorf("%v, want %s", err, want)
		}
	}
	refused("user alice is used by rule of-alice, rule to-alice")
	apply := func() Revision {
		t.Helper()
		rev, err := db.Commit(ctx, "admin", "")
		if err != nil {
			t.Fatal(err)
		}
		if err := db.Confirm(ctx, rev.ID); err != nil {
			t.Fatal(err)
		}
		return rev
	}
	old := apply()
	for _, name := range []string{"of-alice", "to-alice"} {
		if err := db.DeleteObject(ctx, "rule", name); err != nil {
			t.Fatal(err)
		}
	}
	// A discard would bring them back.
	refused("user alice is used by rule of-alice in force, rule to-alice in force")
	apply()
	if err := db.DeleteObject(ctx, "user", "alice"); err != nil {
		t.Fatal(err)
	}
	var found ValidationError
	if err := db.Restore(ctx, old.ID); !errors.As(err, &found) || !strings.Contains(err.Error(), `there is no user called "alice"`) {
		t.Errorf("a revision that names who left: %v", err)
	}
	if _, err := db.PutObject(ctx, "rule", "", "", Input{JSON: []byte(`{"name":"x","from":"vpn","to":"lan","source_users":["alice"],"action":"allow"}`)}); !errors.As(err, &found) || found[0].Field != "source_users[0]" {
		t.Errorf("a rule about nobody: %v", err)
	}
	if err := db.Import(ctx, language(t)); !errors.As(err, &found) || found[0].Code != "unknown" {
		t.Errorf("an import about nobody: %v", err)
	}
}

func TestDraftAndRevisionsFollowANewNameOfAUser(t *testing.T) {
	ctx := t.Context()
	db := peopled(t)
	rev, err := db.Commit(ctx, "admin", "")
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Confirm(ctx, rev.ID); err != nil {
		t.Fatal(err)
	}
	// The gateway reads the same file in another process.
	other := open(t, db.dir)
	if _, err := other.Confirmed(ctx); err != nil {
		t.Fatal(err)
	}
	before := must2(db.PeopleVersion(ctx))
	o, err := db.Object(ctx, "user", "alice")
	if err != nil {
		t.Fatal(err)
	}
	o.Form["name"] = "alice-b"
	if _, err := db.PutObject(ctx, "user", "alice", o.Tag, Input{Form: o.Form}); err != nil {
		t.Fatal(err)
	}
	if n := must2(db.PeopleVersion(ctx)); n == before {
		t.Error("nobody would notice")
	}
	for _, db := range []*DB{db, other} {
		if changes, err := db.Changes(ctx); err != nil || len(changes) > 0 {
			t.Errorf("the draft differs: %q %v", changes, err)
		}
		for name, doc := range map[string]Document{"draft": must2(db.Draft(ctx)), "revision": must2(db.Confirmed(ctx)).Document} {
			if users := ruleKind.users(doc, "user", "alice-b"); len(users) != 2 {
				t.Errorf("%s: %v", name, users)
			}
			if d := cmp.Diff(language(t).ManualSAs, doc.ManualSAs, compare); d != "" {
				t.Errorf("%s: its secrets changed: %s", name, d)
			}
		}
	}
	if err := db.Discard(ctx); err != nil {
		t.Error(err)
	}
}

func TestHoldersAreThoseWhoMayComeIn(t *testing.T) {
	ctx := t.Context()
	db := peopled(t)
	day := time.Date(2027, 1, 31, 12, 0, 0, 0, time.UTC)
	holders := func(day time.Time) string {
		t.Helper()
		out := ""
		for _, h := range must2(db.Holders(ctx, day)) {
			out += h.User + " " + h.Group + " " + h.Address.String() + "\n"
		}
		return out
	}
	const phone = "alice group-0 10.200.0.7\n"
	if got := holders(day); got != phone {
		t.Errorf("on the last day: %q", got)
	}
	if got := holders(day.AddDate(0, 0, 1)); got != "" {
		t.Errorf("a day later: %q", got)
	}
	o, err := db.Object(ctx, "device", "phone")
	if err != nil {
		t.Fatal(err)
	}
	o.Form["enabled"] = ""
	if _, err := db.PutObject(ctx, "device", "phone", o.Tag, Input{Form: o.Form}); err != nil {
		t.Fatal(err)
	}
	if got := holders(day); got != "" {
		t.Errorf("a phone that is switched off: %q", got)
	}
}

func TestTheLanguageInSentences(t *testing.T) {
	old, doc := language(t), language(t)
	at := func(name string) *Rule {
		return &doc.Firewall.Rules[slices.IndexFunc(doc.Firewall.Rules, func(r Rule) bool { return r.Name == name })]
	}
	at("of-alice").SourceUsers, at("of-alice").LimitOpen = []string{"alice", "bob"}, 20
	at("whole").DSCP = nil
	doc.System.TimeZone = ""
	doc.Schedules[0].To = "07:00"
	doc.Schedules = append(doc.Schedules, Schedule{Name: "office-hours", Days: []string{"mon", "fri"}, From: "08:30", To: "17:00"})
	want := []string{
		"Schedules now go by the time of UTC (was Europe/London).",
		"Schedule schedule-0: the end is now 07:00 (was " + old.Schedules[0].To + ").",
		"Schedule office-hours was added (mon, fri, 08:30 to 17:00).",
		"Rule whole: the DSCP values is now not set (was ef, 12).",
		"Rule of-alice: the source users is now alice, bob (was alice).",
		"Rule of-alice: the limit of open connections is now 20 (was not set).",
	}
	if d := cmp.Diff(want, Differences(old, doc)); d != "" {
		t.Error(d)
	}
}

func TestWhatMovedIsNamed(t *testing.T) {
	for to, want := range map[string][]string{
		"abcd": nil, "bacd": {"Rule b now comes first."}, "acbd": {"Rule c now comes after a."}, "dabc": {"Rule d now comes first."},
		"bcda": {"Rule a now comes after d."}, "acdb": {"Rule b now comes after d."}, "dcba": {"The order changed: Rule."},
	} {
		if got := moved("Rule", strings.Split("abcd", ""), strings.Split(to, "")); !slices.Equal(got, want) {
			t.Errorf("%s: %q", to, got)
		}
	}
}
