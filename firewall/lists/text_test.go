package lists

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"gatehouse/firewall"
)

// spelled is ranges as text, one a word.
func spelled(all []firewall.Range) string {
	var out []string
	for _, r := range all {
		out = append(out, r.String())
	}
	return strings.Join(out, " ")
}

func TestParseReadsWhatListsLookLike(t *testing.T) {
	rows := []struct {
		name, text, want string
		wrong            int
	}{
		{"addresses", "192.0.2.1\n2001:db8::1\n", "192.0.2.1 2001:db8::1", 0},
		{"no line end at the end", "192.0.2.1", "192.0.2.1", 0},
		{"ends of lines as in Windows, and a mark of the byte order", "\ufeff192.0.2.1\r\n192.0.2.3\r\n", "192.0.2.1 192.0.2.3", 0},
		{"networks, also with host bits", "198.51.100.0/24\n203.0.113.77/24\n2001:db8::/32\n", "198.51.100.0/24 203.0.113.0/24 2001:db8::/32", 0},
		{"ranges, tight and loose", "192.0.2.1-192.0.2.9\n192.0.2.20 - 192.0.2.29 bad ones\n192.0.2.40- 192.0.2.49\n",
			"192.0.2.1-192.0.2.9 192.0.2.20-192.0.2.29 192.0.2.40-192.0.2.49", 0},
		{"comments and empty lines", "# a list\n; of two kinds\n\n   \n192.0.2.1 # one\n", "192.0.2.1", 0},
		{"as Spamhaus writes DROP", "; Spamhaus DROP List\n1.10.16.0/20 ; SBL256894\n1.19.0.0/16 ; SBL434604\n", "1.10.16.0/20 1.19.0.0/16", 0},
		{"as a hosts file", "192.0.2.1\tbad.example worse.example\n::1 localhost\n0.0.0.0 ads.example\n127.0.0.1 localhost\n", "192.0.2.1", 3},
		{"as a table", "192.0.2.1,malware,2024-01-01\n192.0.2.9, scan\n", "192.0.2.1 192.0.2.9", 0},
		{"neighbours and repetitions", "192.0.2.1\n192.0.2.0\n192.0.2.1\n192.0.2.2/31\n", "192.0.2.0/30", 0},
		{"an IPv4 address in IPv6's clothes", "::ffff:192.0.2.1\n", "192.0.2.1", 0},
		{"the last of IPv4 beside the first of IPv6", "255.255.255.255\n::/128\n", "255.255.255.255 ::", 0},
		{"a web page", "<!doctype html>\n<html><body>Not here</body></html>\n", "", 2},
		{"names", "www.example.org\n", "", 1},
		{"what is no address", "10.1.2\n10.1.2.300\n010.1.1.1\nfe80::1%eth0\n10.0.0.0/33\n10.0.0.9-10.0.0.1\n10.0.0.1-::1\n-\n/\n", "", 9},
		{"all of the internet", "0.0.0.0/0\n::/0\n0.0.0.0-255.255.255.255\n", "", 3},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			got, err := Parse(strings.NewReader(row.text))
			if err != nil {
				t.Fatal(err)
			}
			if text := spelled(got.Ranges); text != row.want || got.Wrong != row.wrong {
				t.Errorf("got %q and %d wrong lines %q, want %q and %d", text, got.Wrong, got.FirstWrong, row.want, row.wrong)
			}
		})
	}
}

func TestParseShowsTheFirstWrongLines(t *testing.T) {
	text := "192.0.2.1\nnonsense \xff\n" + strings.Repeat("x", 3*maxLine) + "\n192.0.2.2\n" + strings.Repeat("more\n", 10)
	got, err := Parse(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	if got.Wrong != 12 || got.Entries != 2 || len(got.FirstWrong) != maxShown {
		t.Errorf("got %+v", got)
	}
	want := []string{`line 2: "nonsense "`, `line 3: "` + strings.Repeat("x", maxExcerpt) + `"`, `line 5: "more"`}
	if diff := cmp.Diff(want, got.FirstWrong[:3]); diff != "" {
		t.Error(diff)
	}
}

func TestParseRefusesTooManyEntriesAndSaysWhatTheReaderSaid(t *testing.T) {
	if _, err := Parse(io.LimitReader(endless{}, 8*(maxEntries+1))); err == nil || !strings.Contains(err.Error(), "500000") {
		t.Errorf("the error is %v", err)
	}
	cut := errors.New("cut")
	if _, err := Parse(iotest.ErrReader(cut)); !errors.Is(err, cut) {
		t.Errorf("the error is %v", err)
	}
}

// endless repeats one entry.
type endless struct{}

func (endless) Read(p []byte) (int, error) {
	n := 0
	for n+8 <= len(p) {
		n += copy(p[n:], "1.2.3.4\n")
	}
	return n, nil
}

// long is a list of n networks that do not touch.
func long(n int) []byte {
	var b bytes.Buffer
	for i := range n {
		fmt.Fprintf(&b, "%s ; SBL%d\n", netip.AddrFrom4([4]byte{byte(11 + i>>16), byte(i >> 8), byte(i), 7}), i)
	}
	return b.Bytes()
}

func BenchmarkParse300000Lines(b *testing.B) {
	text := long(300_000)
	b.ReportAllocs()
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		got, err := Parse(bytes.NewReader(text))
		if err != nil || len(got.Ranges) != 300_000 {
			b.Fatal(len(got.Ranges), err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("192.0.2.1-192.0.2.9 # x\n::/64\n10.0.0.0 - 10.0.0.1\n"))
	f.Add([]byte("\ufeff;\r\n0.0.0.0/0\n255.255.255.255\n::\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		got, err := Parse(bytes.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		var again strings.Builder
		for i, r := range got.Ranges {
			if !r.First.IsValid() || r.First.Is4() != r.Last.Is4() || r.Last.Less(r.First) || r.First.Zone() != "" {
				t.Fatalf("%v is no range", r)
			}
			if i > 0 && !got.Ranges[i-1].Last.Less(r.First) {
				t.Fatalf("%v is not behind %v", r, got.Ranges[i-1])
			}
			fmt.Fprintln(&again, r)
		}
		// Joined, ranges may cover what no line may.
		if back, err := Parse(strings.NewReader(again.String())); err != nil || back.Wrong == 0 && spelled(back.Ranges) != spelled(got.Ranges) {
			t.Fatalf("%v became %v (%v)", got.Ranges, back.Ranges, err)
		}
	})
}
