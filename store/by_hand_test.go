package store

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
)

func TestKeysForBothDirectionsAreMadeInTheDraft(t *testing.T) {
	db := open(t, t.TempDir())
	if err := db.Import(t.Context(), byHand(t)); err != nil {
		t.Fatal(err)
	}
	ask := func(fields string) (OtherSide, error) {
		all := map[string]any{"name": "york", "here": "198.51.100.9", "there": "203.0.113.7"}
		if err := json.Unmarshal([]byte("{"+fields+"}"), &all); err != nil {
			t.Fatal(err)
		}
		text, err := json.Marshal(all)
		if err != nil {
			t.Fatal(err)
		}
		return db.MakeByHand(t.Context(), Input{JSON: text})
	}
	here := byHand(t).ManualSAs[0].Source.String()
	for name, row := range map[string]struct {
		fields string
		faults string // fields at fault
	}{
		"no networks":              {`"mode":"tunnel"`, "near far"},
		"networks between hosts":   {`"mode":"transport","far":["10.9.0.0/24"]`, "far"},
		"another's address":        {`"mode":"transport"`, "here"},
		"a counter mode":           {`"mode":"transport","encryption":"aes256-gcm"`, "encryption"},
		"a broken algorithm":       {`"mode":"transport","encryption":"des-cbc"`, "encryption"},
		"no networks of a family":  {`"here":"` + here + `","near":["10.1.0.0/24"],"far":["fd00::/64"]`, "far near"},
		"a protocol that is none":  {`"mode":"transport","protocol":"tls"`, "protocol"},
		"a name that is too long":  {`"here":"` + here + `","mode":"transport","name":"` + strings.Repeat("a", 38) + `"`, "name"},
		"an encryption of ah":      {`"here":"` + here + `","mode":"transport","protocol":"ah","encryption":"null"`, "encryption"},
		"a peer of another family": {`"here":"` + here + `","mode":"transport","there":"2001:db8::9"`, "there"},
	} {
		_, err := ask(row.fields)
		var found ValidationError
		errors.As(err, &found)
		var fields []string
		for _, f := range found {
			base, _, _ := strings.Cut(f.Field, "[")
			if len(fields) == 0 || fields[len(fields)-1] != base {
				fields = append(fields, base)
			}
		}
		if strings.Join(fields, " ") != row.faults {
			t.Errorf("%s: %v", name, err)
		}
	}

	made, err := ask(`"here":"` + here + `","near":["10.1.0.0/24"],"far":["10.99.0.0/24"],"protocol":"esp+ah","integrity":"hmac-sha512"`)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := db.Draft(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	mine := doc.ManualSAs[manualKind.find(doc.ManualSAs, "york-esp-out")]
	theirs := made.Settings.ManualSAs[manualKind.find(made.Settings.ManualSAs, "york-esp-in")]
	if mine.EncryptionKey != theirs.EncryptionKey || mine.SPI != theirs.SPI || len(mine.IntegrityKey) != 128 || theirs.Direction != In {
		t.Errorf("the sides do not fit together: %v %v", mine, theirs)
	}
	if _, err := ask(`"here":"` + here + `","mode":"transport"`); err == nil || !strings.Contains(err.Error(), "name: \"york") {
		t.Errorf("twice: %v", err)
	}

	// Later they are shown only to who asks, and that is written down.
	shown, err := db.OtherSide(t.Context(), made.Policies...)
	if err != nil || shown.IPXfrm != made.IPXfrm || !strings.Contains(shown.IPXfrm, mine.IntegrityKey.Reveal()) {
		t.Errorf("not the same again: %v", err)
	}
	log, err := db.Audit(t.Context(), 0, 1)
	if err != nil || log[0].Action != "show-keys" || !strings.Contains(log[0].Detail, "york-out, york-in") || strings.Contains(log[0].Detail, mine.IntegrityKey.Reveal()) {
		t.Errorf("the audit log: %+v, %v", log, err)
	}
	if _, err := db.OtherSide(t.Context(), "nobody"); !errors.Is(err, ErrNotFound) {
		t.Errorf("of nobody: %v", err)
	}
}
