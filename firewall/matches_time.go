package firewall

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"
	"time"

	"github.com/google/nftables/expr"
)

// NFT_META_TIME_DAY and NFT_META_TIME_HOUR of the kernel's nf_tables.h.
const (
	metaKeyDay  expr.MetaKey = 31 // 0 is Sunday
	metaKeyHour expr.MetaKey = 32 // seconds since midnight, UTC
)

const lastSecond = 24*60*60 - 1

// weekdays matches a range of days. The kernel takes the day in its own time
// zone, which Apply keeps at UTC.
type weekdays struct{ first, last time.Weekday }

func (m weekdays) text() string {
	if m.first == m.last {
		return fmt.Sprintf("meta day %q", m.first)
	}
	return fmt.Sprintf("meta day %q-%q", m.first, m.last)
}

func (m weekdays) exprs(setNames) []expr.Any {
	out := []expr.Any{&expr.Meta{Key: metaKeyDay, Register: register}}
	if m.first == m.last {
		return append(out, equals([]byte{byte(m.first)}))
	}
	return append(out, atLeastAtMost([]byte{byte(m.first)}, []byte{byte(m.last)})...)
}

// clock matches a part of the day, both ends included. nft reads and lists it
// in the time zone of whoever runs it, so the text is right with TZ=UTC.
type clock struct{ from, to int }

func (m clock) text() string {
	return fmt.Sprintf("meta hour %q-%q", clockText(m.from), clockText(m.to))
}

func clockText(second int) string {
	return fmt.Sprintf("%02d:%02d:%02d", second/3600, second/60%60, second%60)
}

func (m clock) exprs(setNames) []expr.Any {
	at := func(second int) []byte { return binary.BigEndian.AppendUint32(nil, uint32(second)) }
	return append([]expr.Any{
		&expr.Meta{Key: metaKeyHour, Register: register},
		&expr.Byteorder{SourceRegister: register, DestRegister: register, Op: expr.ByteorderHton, Len: 4, Size: 4},
	}, atLeastAtMost(at(m.from), at(m.to))...)
}

// moments matches times: an alternative for each part of the day and run of
// days that have it, so that "Monday to Friday, 8 to 17" is one.
func moments(times []TimeSpan) alternatives {
	if len(times) == 0 {
		return anything()
	}
	days := map[clock][]NumberRange{}
	var parts []clock // in the order of the week
	for _, s := range disjointTimes(times) {
		part := clock{s.From, s.To}
		if days[part] == nil {
			parts = append(parts, part)
		}
		days[part] = append(days[part], NumberRange{uint8(s.Day), uint8(s.Day)})
	}
	var out alternatives
	for _, part := range parts {
		for _, run := range disjointNumbers(days[part]) {
			var matches []statement
			if run != (NumberRange{uint8(time.Sunday), uint8(time.Saturday)}) {
				matches = append(matches, weekdays{time.Weekday(run.First), time.Weekday(run.Last)})
			}
			if part != (clock{0, lastSecond}) {
				matches = append(matches, part)
			}
			out = append(out, matches)
		}
	}
	return out
}

// disjointTimes merges spans of one day that overlap or touch.
func disjointTimes(in []TimeSpan) []TimeSpan {
	in = slices.Clone(in)
	slices.SortFunc(in, func(a, b TimeSpan) int { return cmp.Or(cmp.Compare(a.Day, b.Day), cmp.Compare(a.From, b.From)) })
	var out []TimeSpan
	for _, s := range in {
		if n := len(out); n > 0 && out[n-1].Day == s.Day && s.From <= out[n-1].To+1 {
			out[n-1].To = max(out[n-1].To, s.To)
			continue
		}
		out = append(out, s)
	}
	return out
}

// holds says whether a moment is in one of the spans.
func holds(times []TimeSpan, at time.Time) bool {
	at = at.UTC()
	second := at.Hour()*3600 + at.Minute()*60 + at.Second()
	return len(times) == 0 || slices.ContainsFunc(times, func(s TimeSpan) bool {
		return s.Day == at.Weekday() && s.From <= second && second <= s.To
	})
}
