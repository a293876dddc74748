package store

import (
	"fmt"
	"slices"
	"strings"
	"time"
	_ "time/tzdata" // a router has no files of time zones
)

var dayNames = []string{"mon", "tue", "wed", "thu", "fri", "sat", "sun"}

var scheduleKind = within(kind[Schedule]{
	info:    KindInfo{Name: "schedule", Area: AreaFirewall, Plural: "schedules", Title: "Schedule", Help: "A part of the week, such as office hours, during which rules hold."},
	table:   "schedules",
	key:     func(s *Schedule) string { return s.Name },
	summary: func(s *Schedule) string { return "(" + s.words() + ")" },
	fields: []field[Schedule]{
		of("name", "", func(s *Schedule) any { return &s.Name }).required(),
		of("days", "the days", func(s *Schedule) any { return &s.Days }).choices(dayNames...).
			help("Those on which it begins; none means every day."),
		of("from", "the beginning", func(s *Schedule) any { return &s.From }).required().
			help("The time of day in this gateway's time zone (Settings), as in 08:30."),
		of("to", "the end", func(s *Schedule) any { return &s.To }).required().
			help("At most 24:00. A time before the beginning is on the next day."),
		noted(func(s *Schedule) any { return &s.Note }),
	},
	check: func(c *checker, at string, s Schedule) {
		from, ok1 := secondOfDay(s.From)
		to, ok2 := secondOfDay(s.To)
		if s.From != "" && (!ok1 || from == secondsOfDay) {
			c.bad(at+".from", "format", "must be a time of day, as in 08:30")
		}
		if s.To != "" && !ok2 {
			c.bad(at+".to", "format", "must be a time of day, as in 17:00, at most 24:00")
		}
		if ok1 && ok2 && from == to {
			c.bad(at+".to", "range", "must differ from the beginning; 00:00 to 24:00 is the whole day")
		}
		for i, d := range s.Days {
			if slices.Contains(s.Days[:i], d) {
				c.bad(fmt.Sprintf("%s.days[%d]", at, i), "repeated", "%s is given twice", d)
			}
		}
	},
}, "schedules", func(d *Document) *[]Schedule { return &d.Schedules })

// words is as in "mon, tue, 08:30 to 17:00".
func (s Schedule) words() string {
	days := "every day"
	if len(s.Days) > 0 {
		days = strings.Join(s.Days, ", ")
	}
	return fmt.Sprintf("%s, %s to %s", days, s.From, s.To)
}

// secondsOfDay is what 24:00 stands for.
const secondsOfDay = 24 * 60 * 60

// secondOfDay reads 00:00 to 24:00 as seconds since midnight.
func secondOfDay(s string) (int, bool) {
	if s == "24:00" {
		return secondsOfDay, true
	}
	t, err := time.Parse("15:04", s)
	return t.Hour()*3600 + t.Minute()*60, err == nil && len(s) == len("15:04")
}

// Window is a part of a schedule: from Begin seconds after the midnight that a
// day begins with, for Length seconds, at most a day.
type Window struct {
	Day           time.Weekday
	Begin, Length int
}

// Windows are the parts of a week that a valid schedule has, in local time.
func (s Schedule) Windows() []Window {
	from, _ := secondOfDay(s.From)
	to, _ := secondOfDay(s.To)
	if to <= from {
		to += secondsOfDay
	}
	var out []Window
	for i, name := range dayNames {
		if len(s.Days) == 0 || slices.Contains(s.Days, name) {
			out = append(out, Window{time.Weekday((i + 1) % 7), from, to - from})
		}
	}
	return out
}

// Location is the system's time zone.
func (s System) Location() (*time.Location, error) {
	if s.TimeZone == "Local" {
		return nil, fmt.Errorf("time zone %q: name a place, as in Europe/London", s.TimeZone)
	}
	where, err := time.LoadLocation(s.TimeZone)
	if err != nil {
		return nil, fmt.Errorf("time zone %q: %w", s.TimeZone, err)
	}
	return where, nil
}

func (c *checker) timeZone(at, name string) {
	if _, err := (System{TimeZone: name}).Location(); err != nil || len(name) > 64 {
		c.bad(at, "choice", "%q is not a time zone as IANA names it, such as Europe/London or UTC", name)
	}
}
