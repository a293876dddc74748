package store

import (
	"bytes"
	"encoding/json"
	"os"
	"testing"

	schemas "github.com/santhosh-tekuri/jsonschema/v6"
)

func TestSchemaIsPublishedAndTrue(t *testing.T) {
	const file = "../docs/config.schema.json"
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile(file, Schema(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	published, err := os.ReadFile(file)
	if err != nil || !bytes.Equal(published, Schema()) {
		t.Errorf("%s is not what the types say (%v); run UPDATE=1 go test ./store", file, err)
	}
	var parsed any
	if err := json.Unmarshal(Schema(), &parsed); err != nil {
		t.Fatal(err)
	}
	c := schemas.NewCompiler()
	if err := c.AddResource("config.json", parsed); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("config.json")
	if err != nil {
		t.Fatal(err)
	}
	for seed := range uint64(30) {
		text, err := generated(seed).Marshal()
		if err != nil {
			t.Fatal(err)
		}
		var v any
		if err := json.Unmarshal(text, &v); err != nil {
			t.Fatal(err)
		}
		if seed%2 == 0 {
			if err := s.Validate(v); err != nil {
				t.Errorf("seed %d: %v\n%s", seed, err, text)
			}
			continue
		}
		v.(map[string]any)["nonsense"] = 1
		if s.Validate(v) == nil {
			t.Error("the schema allows an unknown field")
		}
	}
}
