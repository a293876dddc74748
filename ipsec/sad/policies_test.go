package sad

import (
	"strings"
	"testing"
)

func TestValidatePolicies(t *testing.T) {
	some := []Protection{{Protocol: ESP}}
	for _, row := range []struct {
		name     string
		policies []Policy
		want     string
	}{
		{"a label and what is for it", []Policy{{ID: 1, Action: Demand, Labels: []string{"secret"}, Admits: some}, {ID: 2, Labels: []string{"secret"}}}, ""},
		{"a label that nothing gives", []Policy{{ID: 1, Name: "p", Labels: []string{"secret"}}}, `policy "p": no demand gives the label "secret"`},
		{"a demand of nothing", []Policy{{ID: 1, Name: "p", Action: Demand, Labels: []string{"secret"}}}, "admits at least one"},
		{"a demand without a label", []Policy{{ID: 1, Name: "p", Action: Demand, Admits: some}}, "gives one label"},
		{"what protects and admits", []Policy{{ID: 1, Name: "p", Action: Protect, Admits: some}}, "only a demand"},
		{"one label with two demands", []Policy{
			{ID: 1, Action: Demand, Labels: []string{"secret"}, Admits: some},
			{ID: 2, Name: "p", Action: Demand, Labels: []string{"secret"}, Admits: []Protection{{Protocol: AH}}}}, "demands something else already"},
		{"an action that is none", []Policy{{ID: 1, Name: "p", Action: Demand + 1}}, "unknown action"},
	} {
		t.Run(row.name, func(t *testing.T) {
			err := ValidatePolicies(row.policies)
			if row.want == "" && err != nil || row.want != "" && (err == nil || !strings.Contains(err.Error(), row.want)) {
				t.Errorf("%v, want %q", err, row.want)
			}
		})
	}
}
