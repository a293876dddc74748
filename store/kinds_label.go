package store

import (
	"fmt"
	"slices"
	"strings"
)

var labelKind = within(kind[Label]{
	info: KindInfo{Name: "label", Area: AreaIPsec, Plural: "labels", Title: "Label",
		Help: "How sensitive networks and services are: all to and from what carries the label is protected by its algorithms, or dropped."},
	table: "labels",
	key:   func(l *Label) string { return l.Name },
	summary: func(l *Label) string {
		return fmt.Sprintf("(%s)", strings.Join(l.Algorithms, ", "))
	},
	fields: []field[Label]{
		of("name", "", func(l *Label) any { return &l.Name }).required().help("As in secret."),
		of("enabled", "the label", func(l *Label) any { return &l.Enabled }),
		of("networks", "the networks", func(l *Label) any { return &l.Networks }).
			help("Addresses, networks and ranges, one a line, here or behind a tunnel. They can talk to this gateway itself, and to others by IPsec alone."),
		of("services", "the services", func(l *Label) any { return &l.Services }).refs("service").
			help("Only these of the networks; without networks these everywhere."),
		of("algorithms", "the algorithms", func(l *Label) any { return &l.Algorithms }).required().
			help("One a line, of which one must be in use: aes256gcm16, aes256-sha512 and others; ah-sha256 and others for AH, which hides nothing."),
		noted(func(l *Label) any { return &l.Note }),
	},
	check: (*checker).label,
}, "labels", func(d *Document) *[]Label { return &d.Labels })

func (c *checker) label(at string, l Label) {
	if len(l.Networks)+len(l.Services) == 0 {
		c.bad(at+".networks", "required", "name networks or services: a label on nothing protects nothing")
	}
	if len(l.Algorithms) == 0 {
		c.bad(at+".algorithms", "required", "is needed: what protects enough?")
	}
	known := LabelAlgorithms()
	for i, name := range l.Algorithms {
		if !slices.Contains(known, name) {
			c.bad(fmt.Sprintf("%s.algorithms[%d]", at, i), "choice", "%q is not known there; choose from %s", name, strings.Join(known, ", "))
		}
	}
}

// labels checks labels together, and the policies that name them.
func (c *checker) labels(d Document) {
	on := 0
	for i, l := range d.Labels {
		if l.Enabled {
			on++
		}
		if on > MaxLabels {
			c.bad(fmt.Sprintf("labels[%d].enabled", i), "length", "at most %d labels can be switched on", MaxLabels)
			break
		}
	}
	for i, p := range d.Policies {
		for j, name := range p.Labels {
			if k := labelKind.find(d.Labels, name); k >= 0 && p.Enabled && !d.Labels[k].Enabled {
				c.bad(fmt.Sprintf("policies[%d].labels[%d]", i, j), "choice", "%s is switched off", name)
			}
		}
	}
}
