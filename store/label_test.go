package store

import (
	"errors"
	"testing"
)

func TestLabelsAreValidated(t *testing.T) {
	for name, row := range map[string]struct {
		edit  func(*Document)
		field string
	}{
		"as it should be":                    {func(*Document) {}, ""},
		"on nothing":                         {func(d *Document) { d.Labels[0].Networks = nil }, "labels[0].networks"},
		"without an algorithm":               {func(d *Document) { d.Labels[0].Algorithms = nil }, "labels[0].algorithms"},
		"an algorithm that can be broken":    {func(d *Document) { d.Labels[0].Algorithms = []string{"3des-md5"} }, "labels[0].algorithms[0]"},
		"a policy for one that is off":       {func(d *Document) { d.Labels[0].Enabled = false }, "policies[0].labels[0]"},
		"a policy for one that is not there": {func(d *Document) { d.Policies[0].Labels = []string{"top"} }, "policies[0].labels[0]"},
		"what goes past IPsec": {func(d *Document) {
			d.Policies[0].Protection, d.Policies[0].Sources = Bypass, nil
		}, "policies[0].labels"},
	} {
		t.Run(name, func(t *testing.T) {
			d := example(t)
			d.Labels = []Label{{Name: "secret", Enabled: true, Networks: ranges("10.77.0.0/24"), Algorithms: []string{"aes256gcm16"}}}
			d.Policies = []Policy{{Name: "p", Enabled: true, Direction: Out, Protection: Discard, Destinations: ranges("10.77.0.0/24"), Labels: []string{"secret"}}}
			row.edit(&d)
			err := d.Validate()
			var bad ValidationError
			if row.field == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if !errors.As(err, &bad) || bad[0].Field != row.field {
				t.Errorf("%v, want %s", err, row.field)
			}
		})
	}
}
