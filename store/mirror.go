package store

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// Mirrored is what the other side needs for SAs keyed by hand: its own
// document's SAs and policies, keys included.
type Mirrored struct {
	ManualSAs []ManualSA `json:"manual_sas"`
	Policies  []Policy   `json:"policies"`
}

// OtherSide is what to give to whoever configures the other side of policies made
// by hand: the keys are in it, twice.
type OtherSide struct {
	// Policies are those of this side.
	Policies []string `json:"policies"`
	// Settings are for another Gatehouse.
	Settings Mirrored `json:"settings"`
	// IPXfrm are commands for a plain Linux, one a line.
	IPXfrm string `json:"ip_xfrm"`
}

// OtherSide shows the keys of policies of the draft, which the audit log notes.
func (db *DB) OtherSide(ctx context.Context, policies ...string) (OtherSide, error) {
	doc, err := db.Draft(ctx)
	if err != nil {
		return OtherSide{}, err
	}
	if len(policies) == 0 {
		return OtherSide{}, ValidationError{{Field: "policies", Code: "required", Message: "name at least one policy"}}
	}
	out, err := doc.otherSide(policies...)
	if err != nil {
		return out, err
	}
	return out, db.Record(ctx, "show-keys", "The keys of these policies were shown, for the other side: "+strings.Join(policies, ", ")+".")
}

func (d Document) otherSide(policies ...string) (OtherSide, error) {
	m, err := d.Mirror(policies...)
	return OtherSide{Policies: policies, Settings: m, IPXfrm: m.IPXfrm(d.Services)}, err
}

// Mirror is the other side's half of policies and of the SAs that they name, with
// those that follow these.
func (d Document) Mirror(policies ...string) (Mirrored, error) {
	var out Mirrored
	taken := map[string]bool{}
	var take func(name string)
	take = func(name string) {
		if i := manualKind.find(d.ManualSAs, name); i >= 0 && !taken[name] {
			taken[name] = true
			s := d.ManualSAs[i]
			take(s.Successor)
			s.Direction, s.Name, s.Successor = other(s.Direction), turned(s.Name), turned(s.Successor)
			out.ManualSAs = append(out.ManualSAs, s)
		}
	}
	for _, name := range policies {
		i := policyKind.find(d.Policies, name)
		if i < 0 {
			return out, fmt.Errorf("policy %s: %w", name, ErrNotFound)
		}
		p := d.Policies[i]
		for _, sa := range p.SAs {
			take(sa)
		}
		// Who is behind an address and what is sensitive is this side's to know.
		p.SourceUsers, p.SourceGroups, p.DestinationUsers, p.DestinationGroups, p.Labels = nil, nil, nil, nil, nil
		p.Direction, p.Name, p.SAs = other(p.Direction), turned(p.Name), slices.Clone(p.SAs)
		for j, sa := range p.SAs {
			p.SAs[j] = turned(sa)
		}
		out.Policies = append(out.Policies, p)
	}
	return out, nil
}

func other(d Direction) Direction {
	if d == In {
		return Out
	}
	return In
}

// turned swaps -in and -out at the end of a name.
func turned(name string) string {
	if rest, ok := strings.CutSuffix(name, "-in"); ok {
		return rest + "-out"
	}
	if rest, ok := strings.CutSuffix(name, "-out"); ok {
		return rest + "-in"
	}
	return name
}
