package web

import (
	"strings"
	"testing"
	"time"
)

func TestTheStateOfKeysIsToldInWords(t *testing.T) {
	now := time.Date(2027, 1, 31, 12, 0, 0, 0, time.UTC)
	for _, row := range []struct {
		sa         ManualSA
		kind, word string
		text       string
	}{
		{ManualSA{State: "in use", Since: now.Add(-89 * day), Bytes: 5}, "ok", "In use", "number 0, keys since 2026-11-03"},
		{ManualSA{State: "in use", Since: now.Add(-91 * day)}, "warn", "91 days old", ""},
		{ManualSA{State: "in use", Since: now, NotKept: "full"}, "warn", "lose its counter", ""},
		{ManualSA{State: "in use", Since: now, Replayed: 3}, "ok", "In use", "3 came again"},
		{ManualSA{State: "ended", Since: now}, "bad", "At its end", ""},
		{ManualSA{State: "faulty", Since: now, Fault: "the plane is full"}, "bad", "Does not work", "the plane is full"},
		{ManualSA{State: "ready"}, "muted", "Ready", ""},
	} {
		l := row.sa.live(now)
		if l.Kind != row.kind || !strings.Contains(l.Word, row.word) || !strings.Contains(l.Text, row.text) {
			t.Errorf("%+v: %+v", row.sa, l)
		}
	}
}
