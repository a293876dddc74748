package store

import (
	"fmt"
	"net/netip"
	"net/url"
	"regexp"
	"strings"
)

var listKind = within(kind[List]{
	info: KindInfo{Name: "list", Area: AreaFirewall, Plural: "lists", Title: "List",
		Help: "Addresses and networks under one name, as many as you like: typed in, or kept fresh from host names, from the web or by country."},
	table:   "lists",
	key:     func(l *List) string { return l.Name },
	summary: listSummary,
	fields: []field[List]{
		of("name", "", func(l *List) any { return &l.Name }).required(),
		of("entries", "the entries", func(l *List) any { return &l.Entries }).entries().
			help("One a line: an address, a network (10.2.0.0/24) or a range (10.1.0.20-10.1.0.29)."),
		of("following", "the entries that follow a prefix", func(l *List) any { return &l.Following }).
			help("One a line: office+::80 is the host ::80 behind whatever IPv6 prefix the interface office has."),
		of("names", "the host names", func(l *List) any { return &l.Names }).
			help("One a line. Their addresses are looked up again whenever the answer runs out."),
		of("urls", "the web addresses", func(l *List) any { return &l.URLs }).
			help("Of texts with one address, network or range a line, as in https://lists.example/drop.txt. The last good copy stays when one cannot be fetched."),
		of("refresh_minutes", "the time between fetches", func(l *List) any { return &l.RefreshMinutes }).in("minutes").
			help("In minutes, 5 to 10080 (a week); empty means a day."),
		of("countries", "the countries", func(l *List) any { return &l.Countries }).
			help("Two capital letters, one a line, as in NL. Their networks are in the country file that you give this gateway."),
		noted(func(l *List) any { return &l.Note }),
	},
	check: func(c *checker, at string, l List) { c.list(at, l) },
}, "lists", func(d *Document) *[]List { return &d.Lists })

// listSummary is "with 3 entries, 1 host name".
func listSummary(l *List) string {
	var parts []string
	add := func(n int, one, many string) {
		if n > 0 {
			parts = append(parts, counted(n, one, many))
		}
	}
	add(len(l.Entries), "entry", "entries")
	add(len(l.Names), "host name", "host names")
	add(len(l.URLs), "web address", "web addresses")
	add(len(l.Countries), "country", "countries")
	if parts == nil {
		return "with 0 entries"
	}
	return "with " + strings.Join(parts, ", ")
}

// FromElsewhere says whether a list has content that is not in the document.
func (l List) FromElsewhere() bool { return len(l.Names)+len(l.URLs)+len(l.Countries) > 0 }

// Bounds of what one list comes from.
const (
	maxNames               = 500
	maxURLs                = 32
	maxURL                 = 2000 // bytes
	minRefresh, maxRefresh = 5, 10080
)

var countryPattern = regexp.MustCompile(`^[A-Z]{2}$`)

func (c *checker) list(at string, l List) {
	c.each(at+".names", l.Names, maxNames, func(name string) string {
		if _, err := netip.ParseAddr(name); err == nil || !isName(name) {
			return "must be a host name, as in www.example.org"
		}
		return ""
	})
	c.each(at+".urls", l.URLs, maxURLs, wrongURL)
	c.each(at+".countries", l.Countries, 26*26, func(code string) string {
		if !countryPattern.MatchString(code) {
			return "must be the two capital letters of a country, as in NL"
		}
		return ""
	})
	c.between(at+".refresh_minutes", l.RefreshMinutes, minRefresh, maxRefresh, "minutes")
}

// each checks the values of a list that cannot be long and names nothing twice.
func (c *checker) each(at string, values []string, most int, wrong func(string) string) {
	if len(values) > most {
		c.bad(at, "length", "at most %d", most)
	}
	seen := map[string]bool{}
	for i, v := range values {
		field := fmt.Sprintf("%s[%d]", at, i)
		if why := wrong(v); why != "" {
			c.bad(field, "format", "%s", why)
		}
		c.unique(seen, field, v)
	}
}

func wrongURL(text string) string {
	u, err := url.Parse(text)
	switch {
	case len(text) > maxURL:
		return fmt.Sprintf("at most %d bytes", maxURL)
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.Opaque != "":
		return "must be a web address, as in https://lists.example/drop.txt"
	case u.User != nil:
		return "must not hold a password: everybody who may see the configuration would see it"
	case u.Fragment != "" || strings.ContainsAny(text, " \t\r\n"):
		return "must not hold spaces or #"
	}
	return ""
}
