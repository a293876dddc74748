package store

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// ByHand asks for a pair of policies, and an SA for each protection in each
// direction, with fresh keys.
type ByHand struct {
	Name string `json:"name"`
	// Here and There are the gateways' addresses, Near and Far what is protected
	// between them; in transport mode that is the gateways themselves.
	Here  netip.Addr     `json:"here"`
	There netip.Addr     `json:"there"`
	Near  []AddressRange `json:"near,omitempty"`
	Far   []AddressRange `json:"far,omitempty"`
	// Mode is that of the innermost SA; empty is tunnel.
	Mode string `json:"mode,omitempty"`
	// Protocol is esp, ah, or esp+ah, which is ah around esp; empty is esp.
	Protocol string `json:"protocol,omitempty"`
	// Encryption and Integrity are algorithms that are not broken; empty are
	// aes256-cbc and hmac-sha256.
	Encryption string `json:"encryption,omitempty"`
	Integrity  string `json:"integrity,omitempty"`
	// ESN are sequence numbers of 64 bits.
	ESN bool `json:"esn,omitempty"`
}

// byHandKind is how a form asks for it. No document holds it.
var byHandKind = (&kind[ByHand]{
	info: KindInfo{Name: "keys", Plural: "keys", Title: "Keys for both directions", More: "Algorithms",
		Help: "Makes a policy for each direction, and SAs for them with fresh keys. The other side's half is shown once, then the keys are sealed."},
	path: "keys",
	key:  func(b *ByHand) string { return b.Name },
	fields: []field[ByHand]{
		of("name", "", func(b *ByHand) any { return &b.Name }).required().help("The beginning of all the names."),
		of("here", "the address of this gateway", func(b *ByHand) any { return &b.Here }).required(),
		of("there", "the address of the other side", func(b *ByHand) any { return &b.There }).required(),
		of("mode", "the mode", func(b *ByHand) any { return &b.Mode }).choices("tunnel", "transport").
			help("A tunnel is between networks; transport is between the two gateways themselves."),
		of("near", "the networks here", func(b *ByHand) any { return &b.Near }).help("Addresses, networks and ranges, one a line; for a tunnel."),
		of("far", "the networks there", func(b *ByHand) any { return &b.Far }).help("For a tunnel."),
		of("protocol", "the protocol", func(b *ByHand) any { return &b.Protocol }).choices("esp", "ah", "esp+ah").
			help("ESP encrypts. AH only proves where packets come from; around ESP it also covers the outer addresses."),
		of("encryption", "the encryption", func(b *ByHand) any { return &b.Encryption }).choices(notLegacy(handEncryptions)...).unless(notByHand).more().
			help("Of ESP; empty is aes256-cbc."),
		of("integrity", "the integrity check", func(b *ByHand) any { return &b.Integrity }).choices(notLegacy(handIntegrities)...).unless(notByHand).more().
			help("Empty is hmac-sha256."),
		of("esn", "extended sequence numbers", func(b *ByHand) any { return &b.ESN }).more().help("64 bits long; both sides must have it."),
	},
	check: (*checker).byHand,
}).finish()

// ByHandInfo describes the fields of a ByHand, for a form.
func ByHandInfo() KindInfo { return byHandKind.info }

func notLegacy(all []keyed) []string {
	return namesOf(slices.DeleteFunc(slices.Clone(all), func(k keyed) bool { return k.legacy }))
}

func (c *checker) byHand(at string, b ByHand) {
	tunnel := b.Mode != "transport"
	for _, side := range []struct {
		field string
		all   []AddressRange
	}{{".near", b.Near}, {".far", b.Far}} {
		switch {
		case tunnel && len(side.all) == 0:
			c.bad(at+side.field, "required", "a tunnel needs at least one network")
		case !tunnel && len(side.all) > 0:
			c.bad(at+side.field, "choice", "transport mode is between the two gateways: leave it empty")
		}
	}
	if b.Here.IsValid() && b.There.IsValid() && b.Here.Is4() != b.There.Is4() {
		c.bad(at+".there", "family", "must be of the family of the address here")
	}
	if b.Protocol == "ah" && b.Encryption != "" {
		c.bad(at+".encryption", "choice", "ah does not encrypt")
	}
}

// MakeByHand puts what is asked for into the draft, and gives what the other side
// needs: the one time that the keys are shown without being asked for. Faults
// come back as a ValidationError with the fields of a ByHand.
func (db *DB) MakeByHand(ctx context.Context, in Input) (OtherSide, error) {
	ask, err := byHandKind.decode(in)
	if err != nil {
		return OtherSide{}, err
	}
	c := &checker{}
	byHandKind.one(c, "keys", ask, nil)
	if len(c.found) > 0 {
		return OtherSide{}, relative(c.found, "keys.")
	}
	made := ask.Make()
	var out OtherSide
	err = db.edit(ctx, func(in *inserter, doc *Document) error {
		next := *doc
		next.ManualSAs, next.Policies = slices.Concat(doc.ManualSAs, made.ManualSAs), slices.Concat(doc.Policies, made.Policies)
		if err := in.validate(next); err != nil {
			return blamed(err, made, len(doc.ManualSAs), len(doc.Policies))
		}
		*doc = next
		var names []string
		for _, p := range made.Policies {
			names = append(names, p.Name)
		}
		out, err = doc.otherSide(names...)
		return err
	})
	return out, err
}

var madeField = regexp.MustCompile(`^(manual_sas|policies)\[(\d+)\]\.([a-z_]+)`)

// blamed names the fields of a ByHand in faults of what was made from it, each
// once; firstSA and firstPolicy are the places of that in the document.
func blamed(err error, made Mirrored, firstSA, firstPolicy int) error {
	var found ValidationError
	if !errors.As(err, &found) {
		return err
	}
	out := ValidationError{}
	for _, f := range found {
		if parts := madeField.FindStringSubmatch(f.Field); parts != nil {
			way := Out
			at, _ := strconv.Atoi(parts[2]) // digits
			if i := at - firstSA; parts[1] == "manual_sas" && i >= 0 && i < len(made.ManualSAs) {
				way = made.ManualSAs[i].Direction
			} else if i := at - firstPolicy; parts[1] == "policies" && i >= 0 && i < len(made.Policies) {
				way = made.Policies[i].Direction
			}
			f.Field = blame(parts[3], way)
		}
		if !slices.Contains(out, f) {
			out = append(out, f)
		}
	}
	return out
}

// blame is the field of a ByHand that a field of an SA or a policy came from.
func blame(name string, way Direction) string {
	ends := map[string][2]string{"source": {"here", "there"}, "destination": {"there", "here"}, "sources": {"near", "far"}, "destinations": {"far", "near"}}
	if e, ok := ends[name]; ok {
		if way == In {
			return e[1]
		}
		return e[0]
	}
	if slices.ContainsFunc(byHandKind.fields, func(f field[ByHand]) bool { return f.Name == name }) {
		return name
	}
	return "name"
}

// Make makes it. Nobody has seen the keys before.
func (b ByHand) Make() Mirrored {
	var out Mirrored
	mode, encryption, integrity := cmp.Or(b.Mode, "tunnel"), cmp.Or(b.Encryption, "aes256-cbc"), cmp.Or(b.Integrity, "hmac-sha256")
	near, far := b.Near, b.Far
	if mode == "transport" {
		near, far = []AddressRange{{b.Here, b.Here}}, []AddressRange{{b.There, b.There}}
	}
	for _, way := range []Direction{Out, In} {
		p := Policy{Name: b.Name + "-" + string(way), Enabled: true, Direction: way, Protection: Protect, Sources: near, Destinations: far}
		from, to := b.Here, b.There
		if way == In {
			from, to, p.Sources, p.Destinations = to, from, far, near
		}
		for i, protocol := range strings.Split(cmp.Or(b.Protocol, "esp"), "+") {
			s := ManualSA{Name: fmt.Sprintf("%s-%s-%s", b.Name, protocol, way), Enabled: true, Direction: way, Protocol: protocol, Mode: mode,
				Source: from, Destination: to, SPI: freshSPI(), Integrity: integrity, IntegrityKey: freshKey(handIntegrities, integrity), ESN: b.ESN}
			if i > 0 {
				s.Mode = "transport"
			}
			if protocol == "esp" {
				s.Encryption, s.EncryptionKey = encryption, freshKey(handEncryptions, encryption)
			}
			p.SAs = append(p.SAs, s.Name)
			out.ManualSAs = append(out.ManualSAs, s)
		}
		out.Policies = append(out.Policies, p)
	}
	return out
}

// freshKey is a random one of an algorithm's length.
func freshKey(all []keyed, name string) Secret {
	a, _ := algorithm(all, name)
	key := make([]byte, a.key)
	rand.Read(key) // never fails
	return Secret(hex.EncodeToString(key))
}

// freshSPI is one that is not reserved.
func freshSPI() uint32 {
	var b [4]byte
	for {
		rand.Read(b[:])
		if n := binary.BigEndian.Uint32(b[:]); n > 0xffff {
			return n
		}
	}
}
