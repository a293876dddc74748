package lists

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"

	"gatehouse/firewall"
)

// Bounds of a text. An entry takes 48 bytes of memory, so a list takes 24 MB at
// most.
const (
	maxEntries = 500_000
	maxLine    = 4 << 10 // bytes; what is longer is no address
	maxShown   = 5       // lines that are no addresses, to show an admin
	maxExcerpt = 60      // bytes of each of them
)

// Text is what a list of addresses says, and how well it could be read.
type Text struct {
	// Ranges are sorted and joined.
	Ranges []firewall.Range
	// Entries are the lines with an address, Wrong those with something else.
	Entries, Wrong int
	// FirstWrong are a few of the latter, as "line 7: ...".
	FirstWrong []string
}

// Parse reads one address, network or range a line. Behind it may stand
// anything, such as the name in a hosts file or a number in a table; # and ;
// begin comments. Networks may have host bits. What would put a whole family, or
// nothing that is on a network, into the list counts as wrong.
func Parse(r io.Reader) (Text, error) {
	var t Text
	lines := bufio.NewReaderSize(r, maxLine)
	for n := 1; ; n++ {
		line, err := lines.ReadSlice('\n')
		long := errors.Is(err, bufio.ErrBufferFull)
		start := line
		if long {
			start = bytes.Clone(line)
		}
		for errors.Is(err, bufio.ErrBufferFull) {
			_, err = lines.ReadSlice('\n')
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return Text{}, err
		}
		if n == 1 {
			start = bytes.TrimPrefix(start, []byte("\ufeff"))
		}
		if entry := uncommented(start); len(entry) > 0 {
			found, ok := parseEntry(entry)
			switch {
			case !ok || long:
				t.wrong(n, entry)
			case t.Entries == maxEntries:
				return Text{}, fmt.Errorf("more than %d entries", maxEntries)
			default:
				t.Entries++
				t.Ranges = append(t.Ranges, found)
			}
		}
		if err != nil {
			t.Ranges = firewall.Join(t.Ranges)
			return t, nil
		}
	}
}

func (t *Text) wrong(line int, text []byte) {
	t.Wrong++
	if len(t.FirstWrong) < maxShown {
		if len(text) > maxExcerpt {
			text = text[:maxExcerpt]
		}
		t.FirstWrong = append(t.FirstWrong, fmt.Sprintf("line %d: %q", line, strings.ToValidUTF8(string(text), "")))
	}
}

// uncommented is a line without its comment and the space around it.
func uncommented(line []byte) []byte {
	if i := bytes.IndexAny(line, "#;"); i >= 0 {
		line = line[:i]
	}
	return bytes.TrimSpace(line)
}

// parseEntry reads what a line begins with.
func parseEntry(line []byte) (firewall.Range, bool) {
	text := string(line)
	end := strings.IndexAny(text, " \t,")
	first, rest := text, ""
	if end >= 0 {
		first, rest = text[:end], strings.TrimLeft(text[end:], " \t")
	}
	// "a-b" and "a - b".
	from, to, isRange := strings.Cut(first, "-")
	if !isRange && strings.HasPrefix(rest, "-") {
		to, _, _ = strings.Cut(strings.TrimLeft(rest[1:], " \t"), " ")
		isRange = true
	} else if isRange && to == "" {
		to, _, _ = strings.Cut(rest, " ")
	}
	switch {
	case isRange:
		a, ok := plain(from)
		b, alsoOK := plain(to)
		return firewall.Range{First: a, Last: b}, ok && alsoOK && a.Is4() == b.Is4() && !b.Less(a) && !everything(a, b)
	case strings.Contains(first, "/"):
		p, err := netip.ParsePrefix(first)
		if err != nil || p.Bits() == 0 || p.Addr().Is4In6() {
			return firewall.Range{}, false
		}
		return firewall.RangeOf(p), true
	}
	a, ok := plain(first)
	return firewall.Range{First: a, Last: a}, ok && !a.IsUnspecified() && !a.IsLoopback()
}

// plain reads an address; an IPv4 address in IPv6's clothes is what it is.
func plain(s string) (netip.Addr, bool) {
	a, err := netip.ParseAddr(s)
	return a.Unmap(), err == nil && a.Zone() == ""
}

func everything(first, last netip.Addr) bool {
	return !first.Prev().IsValid() && !last.Next().IsValid()
}
