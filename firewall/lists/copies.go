package lists

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"time"

	"gatehouse/firewall"
)

// copies is the directory with the last good content of every source, so that
// a start needs no network. Every file is written beside its name and then takes
// it: there is always a whole one.
//
//	<SHA-256 of a URL>.list  one line of JSON (label), then the ranges
//	names.json               the addresses of all names
//	country.mmdb             the file of countries
type copies struct{ dir string }

const (
	namesFile   = "names.json"
	countryFile = "country.mmdb"
	// copyLife is how long the copy of a list stays that nobody uses: a revision
	// that has it may come back.
	copyLife = 30 * 24 * time.Hour
	// writeLife is how long a write may take: the upload of a large file.
	writeLife = time.Hour
	// maxLabel bounds the first line of a copy, in bytes.
	maxLabel = 64 << 10
)

// label is what is known of a copy.
type label struct {
	URL        string   `json:"url"`
	Version    Version  `json:"version,omitzero"`
	Entries    int      `json:"entries"`
	Wrong      int      `json:"wrong,omitempty"`
	FirstWrong []string `json:"first_wrong,omitempty"`
	// Sum is the SHA-256 of what follows.
	Sum []byte `json:"sum"`
	// fetched is the time of the file: it changes without the rest.
	fetched time.Time
}

func (c copies) path(url string) string {
	sum := sha256.Sum256([]byte(url))
	return filepath.Join(c.dir, hex.EncodeToString(sum[:16])+".list")
}

func (c copies) put(l label, ranges []firewall.Range) error {
	var body []byte
	for _, r := range ranges {
		body = appendRange(body, r)
	}
	sum := sha256.Sum256(body)
	l.Sum = sum[:]
	head, err := json.Marshal(l)
	if err != nil {
		return err
	}
	return c.write(c.path(l.URL), bytes.NewReader(append(head, '\n')), bytes.NewReader(body))
}

// get reads a copy; os.ErrNotExist if there is none.
func (c copies) get(url string) (label, []firewall.Range, error) {
	f, err := os.Open(c.path(url))
	if err != nil {
		return label{}, nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return label{}, nil, err
	}
	l, ranges, err := readCopy(f, url)
	l.fetched = info.ModTime()
	return l, ranges, err
}

// touch says that a copy is still what the server has.
func (c copies) touch(url string, now time.Time) error { return os.Chtimes(c.path(url), now, now) }

func readCopy(from io.Reader, url string) (l label, ranges []firewall.Range, err error) {
	r := bufio.NewReaderSize(from, maxLabel)
	head, err := r.ReadSlice('\n')
	if err != nil {
		return label{}, nil, errors.New("the copy has no first line")
	}
	if err := json.Unmarshal(head, &l); err != nil {
		return label{}, nil, fmt.Errorf("the copy's first line: %w", err)
	}
	if l.URL != url {
		return label{}, nil, errors.New("the copy is of another list")
	}
	body, err := io.ReadAll(io.LimitReader(r, maxEntries*rangeSize))
	if err != nil {
		return label{}, nil, err
	}
	if sum := sha256.Sum256(body); !bytes.Equal(sum[:], l.Sum) {
		return label{}, nil, errors.New("the copy is damaged: it is not what was written")
	}
	ranges = make([]firewall.Range, 0, len(body)/9) // IPv4; more than is needed
	for len(body) > 0 {
		one, rest, err := cutRange(body)
		if err != nil {
			return label{}, nil, err
		}
		if n := len(ranges); n > 0 && !ranges[n-1].Last.Less(one.First) {
			return label{}, nil, errors.New("the copy is damaged: its entries are not in order")
		}
		ranges, body = append(ranges, one), rest
	}
	return l, slices.Clip(ranges), nil
}

// rangeSize is the most that a range takes in a copy, in bytes.
const rangeSize = 33

// appendRange writes the length of an address in bytes, then both.
func appendRange(b []byte, r firewall.Range) []byte {
	b = append(b, byte(r.First.BitLen()/8))
	b = append(b, r.First.AsSlice()...)
	return append(b, r.Last.AsSlice()...)
}

// cutRange reads the first range of some.
func cutRange(b []byte) (r firewall.Range, rest []byte, err error) {
	n := int(b[0])
	if n != 4 && n != 16 || len(b) < 1+2*n {
		return r, nil, errors.New("the copy is damaged: an entry is of no family or cut off")
	}
	r.First, _ = netip.AddrFromSlice(b[1 : 1+n])
	r.Last, _ = netip.AddrFromSlice(b[1+n : 1+2*n])
	if r.Last.Less(r.First) {
		return r, nil, errors.New("the copy is damaged: an entry ends before it begins")
	}
	return r, b[1+2*n:], nil
}

// keptName is what is remembered of a host name.
type keptName struct {
	Name      string    `json:"name"`
	Fetched   time.Time `json:"fetched"`
	Addresses []held    `json:"addresses"`
}

// held is an address of a name and until when an answer vouched for it.
type held struct {
	Address netip.Addr `json:"address"`
	Until   time.Time  `json:"until"`
}

func (c copies) putNames(all []keptName) error {
	text, err := json.Marshal(all)
	if err != nil {
		return err
	}
	return c.write(filepath.Join(c.dir, namesFile), bytes.NewReader(text))
}

func (c copies) names() ([]keptName, error) {
	text, err := os.ReadFile(filepath.Join(c.dir, namesFile))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var all []keptName
	if err := json.Unmarshal(text, &all); err != nil {
		return nil, fmt.Errorf("%s: %w", namesFile, err)
	}
	return all, nil
}

// write makes a file whole or not at all.
func (c copies) write(path string, parts ...io.Reader) error {
	temporary, err := c.temporary(parts...)
	if err != nil {
		return err
	}
	return c.place(temporary, path)
}

// temporary writes a file beside the others, readable by its owner only.
func (c copies) temporary(parts ...io.Reader) (path string, err error) {
	if err := os.MkdirAll(c.dir, 0o700); err != nil {
		return "", err
	}
	f, err := os.CreateTemp(c.dir, "new-*")
	if err != nil {
		return "", err
	}
	_, err = io.Copy(f, io.MultiReader(parts...))
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return "", errors.Join(err, os.Remove(f.Name()))
	}
	return f.Name(), nil
}

// place gives a temporary file its name, in a way that a power cut leaves one
// of the two.
func (c copies) place(temporary, path string) error {
	if err := os.Rename(temporary, path); err != nil {
		return errors.Join(err, os.Remove(temporary))
	}
	d, err := os.Open(c.dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// tidy removes what an interrupted write left, and copies that are not in use
// and old.
func (c copies) tidy(used func(path string) bool, now time.Time) error {
	remove := func(pattern string, age time.Duration) error {
		all, err := filepath.Glob(filepath.Join(c.dir, pattern))
		for _, path := range all {
			info, statErr := os.Stat(path)
			if statErr == nil && !used(path) && now.Sub(info.ModTime()) > age {
				err = errors.Join(err, os.Remove(path))
			}
		}
		return err
	}
	return errors.Join(remove("new-*", writeLife), remove("*.list", copyLife))
}
