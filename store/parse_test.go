package store

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseNamesTheField(t *testing.T) {
	for text, want := range map[string]string{
		`{"version":1,"sytem":{}}`:                                         "sytem",
		`{"version":1,"branches":[{"name":"a","colour":"red"}]}`:           "branches[0].colour",
		`{"version":1,"version":1}`:                                        "version: is given twice",
		`{"version":1,"branches":[{},{"psk":null}]}`:                       "branches[1].psk: must be a text",
		`{"version":1,"branches":null}`:                                    "branches: must be a list",
		`{"version":1,"Branches":[]}`:                                      "Branches: is not a field",
		`{"version":1,"routes":[{"via":""}]}`:                              "routes[0].via",
		`{"version":1,"routes":[{"via":7}]}`:                               "routes[0].via: must be a text",
		`{"version":1,"firewall":{"masquerade":"yes"}}`:                    "firewall.masquerade: must be true or false",
		`{"version":1,"firewall":{"rules":[{"ports":[{"first":70000}]}]}}`: "firewall.rules[0].ports[0].first: is not",
		`{"version":1.5}`:                                                  "version: is not a whole number",
		"{\"version\":1,\"system\":{\"name\":\"\xff\"}}":                   "UTF-8",
		`{"version":1} {}`:                                                 "follows",
		`{"version":2}`:                                                    "version",
		`{"version":1`:                                                     "cut off",
		`{"version":1,"interfaces":[{"addresses":["10.1.0.1/99"]}]}`:       "interfaces[0].addresses[0]",
		`{"version":1,"interfaces":[{"mtu":"big"}]}`:                       "interfaces[0].mtu",
		``: "cut off",
	} {
		_, err := ParseDocument(strings.NewReader(text))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want it to name %q", text, err, want)
		}
	}
	if _, err := ParseDocument(strings.NewReader(strings.Repeat(" ", maxDocument+1))); err == nil {
		t.Error("a document without bound is read")
	}
}

func FuzzParseDocument(f *testing.F) {
	text, err := os.ReadFile("../docs/office.json")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add([]byte(`{"version":1,"branches":[null],"interfaces":{}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		doc, err := ParseDocument(bytes.NewReader(text))
		if err != nil {
			return
		}
		if doc.Validate() != nil {
			return // a draft is always valid, so only such a document is written
		}
		again, err := doc.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		same, err := ParseDocument(bytes.NewReader(again))
		if err != nil {
			t.Fatalf("what was written cannot be read: %v\n%s", err, again)
		}
		if d := cmp.Diff(doc, same, compare); d != "" {
			t.Fatal(d)
		}
	})
}
