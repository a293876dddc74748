package wire

import (
	"strings"
	"testing"
)

// ikeOffer is one IKE proposal: AES-GCM-16 with 256 bits, PRF-HMAC-SHA2-256,
// X25519.
const ikeOffer = "00 00 0024 01 01 00 03" +
	"03 00 000c 01 00 0014 800e 0100" +
	"03 00 0008 02 00 0005" +
	"00 00 0008 04 00 001f"

func TestSA(t *testing.T) {
	gcm := Transform{Type: TransformEncryption, ID: 20, KeyLength: 256}
	t.Run("an IKE proposal", func(t *testing.T) {
		golden(t, &SA{Proposals: []Proposal{{Number: 1, Protocol: ProtocolIKE, Transforms: []Transform{
			gcm, {Type: TransformPRF, ID: 5}, {Type: TransformGroup, ID: 31},
		}}}}, ikeOffer)
	})
	t.Run("two ESP proposals with their SPIs", func(t *testing.T) {
		spi := []byte{0xc0, 0xff, 0xee, 1}
		golden(t, &SA{Proposals: []Proposal{
			{Number: 1, Protocol: ProtocolESP, SPI: spi, Transforms: []Transform{gcm, {Type: TransformESN}}},
			{Number: 2, Protocol: ProtocolESP, SPI: spi, Transforms: []Transform{
				{Type: TransformEncryption, ID: 12, KeyLength: 128}, {Type: TransformIntegrity, ID: 12}, {Type: TransformESN},
			}},
		}}, "02 00 0020 01 03 04 02 c0ffee01 03 00 000c 01 00 0014 800e 0100 00 00 0008 05 00 0000"+
			"00 00 0028 02 03 04 03 c0ffee01 03 00 000c 01 00 000c 800e 0080 03 00 0008 03 00 000c 00 00 0008 05 00 0000")
	})
	t.Run("a proposal without transforms", func(t *testing.T) {
		golden(t, &SA{Proposals: []Proposal{{Number: 1, Protocol: ProtocolIKE}}}, "00 00 0008 01 01 00 00")
	})
}

// A proposal with an odd transform must not spoil those beside it (RFC 7296
// section 3.3.6).
func TestAnUnknownAttributeSpoilsItsTransformOnly(t *testing.T) {
	rows := map[string]struct {
		attributes string
		want       Transform
	}{
		"a short attribute nobody knows":          {"8011 0001", Transform{Type: 1, ID: 20, Unknown: true}},
		"a long attribute nobody knows":           {"0011 0003 aabbcc", Transform{Type: 1, ID: 20, Unknown: true}},
		"it follows a key length":                 {"800e 0100 8011 0001", Transform{Type: 1, ID: 20, KeyLength: 256, Unknown: true}},
		"it precedes a key length":                {"8011 0001 800e 0100", Transform{Type: 1, ID: 20, KeyLength: 256, Unknown: true}},
		"two key lengths, of which none is meant": {"800e 0100 800e 0080", Transform{Type: 1, ID: 20, KeyLength: 256, Unknown: true}},
		"a key length of nothing":                 {"800e 0000", Transform{Type: 1, ID: 20, Unknown: true}},
		"a key length in the long form":           {"000e 0002 0100", Transform{Type: 1, ID: 20, Unknown: true}},
		"a key length alone":                      {"800e 0100", Transform{Type: 1, ID: 20, KeyLength: 256}},
	}
	for name, row := range rows {
		t.Run(name, func(t *testing.T) {
			n := len(unhex(t, row.attributes)) + 8
			transform := append([]byte{3, 0, 0, byte(n), 1, 0, 0, 20}, unhex(t, row.attributes)...)
			body := append([]byte{0, 0, 0, byte(8 + n + 8), 1, 1, 0, 2}, transform...)
			body = append(body, 0, 0, 0, 8, 2, 0, 0, 5)
			p, err := parseSA(body)
			if err != nil {
				t.Fatal(err)
			}
			want := &SA{Proposals: []Proposal{{Number: 1, Protocol: 1, Transforms: []Transform{row.want, {Type: 2, ID: 5}}}}}
			if d := diff(Payload(want), p); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestReservedBytesOfSAAreIgnored(t *testing.T) {
	p, err := parseSA(unhex(t, "00 ff 0010 01 01 00 01 00 ff 0008 02 ff 0005"))
	if err != nil {
		t.Fatal(err)
	}
	want := &SA{Proposals: []Proposal{{Number: 1, Protocol: 1, Transforms: []Transform{{Type: 2, ID: 5}}}}}
	if d := diff(Payload(want), p); d != "" {
		t.Error(d)
	}
}

func TestSAThatIsRefused(t *testing.T) {
	refused(t, TypeSA, map[string]string{
		"no proposal at all":                                 "",
		"the SPI size of 250 that broke another Go IKE":      "00 00 0010 01 01 fa 01 00 00 0008 02 00 0005",
		"the SPI size of 255":                                "00 00 0010 01 01 ff 01 00 00 0008 02 00 0005",
		"a proposal length of zero":                          "00 00 0000 01 01 00 00",
		"a proposal length below its own header":             "00 00 0003 01 01 00 00",
		"a proposal length beyond the payload":               "00 00 ffff 01 01 00 00",
		"a proposal of four bytes":                           "00 00 0004",
		"another proposal is promised and missing":           "02 00 0008 01 01 00 00",
		"a proposal follows the last":                        "00 00 0008 01 01 00 00 00 00 0008 02 01 00 00",
		"a marker that nobody knows":                         "01 00 0008 01 01 00 00",
		"transforms are promised and missing":                "00 00 0008 01 01 00 02",
		"255 transforms are promised":                        "00 00 0008 01 01 00 ff",
		"more transforms than were promised":                 "00 00 0018 01 01 00 01 00 00 0008 02 00 0005 00 00 0008 02 00 0005",
		"the last transform says that another follows":       "00 00 0010 01 01 00 01 03 00 0008 02 00 0005",
		"a transform in the middle says it is the last":      "00 00 0018 01 01 00 02 00 00 0008 02 00 0005 00 00 0008 02 00 0005",
		"a transform marker that nobody knows":               "00 00 0010 01 01 00 01 02 00 0008 02 00 0005",
		"a transform length of zero":                         "00 00 0010 01 01 00 01 00 00 0000 02 00 0005",
		"a transform length of seven":                        "00 00 0010 01 01 00 01 00 00 0007 02 00 0005",
		"a transform length beyond the proposal":             "00 00 0010 01 01 00 01 00 00 0009 02 00 0005",
		"half an attribute":                                  "00 00 0012 01 01 00 01 00 00 000a 02 00 0005 800e",
		"an attribute's length goes beyond its transform":    "00 00 0014 01 01 00 01 00 00 000c 02 00 0005 0011 0001",
		"an attribute's length is the largest":               "00 00 0014 01 01 00 01 00 00 000c 02 00 0005 0011 ffff",
		"33 proposals":                                       strings.Repeat("02 00 0008 01 01 00 00", 32) + "00 00 0008 01 01 00 00",
		"65 transforms":                                      "00 00 0210 01 01 00 41" + strings.Repeat("03 00 0008 02 00 0005", 64) + "00 00 0008 02 00 0005",
		"bytes after the last transform, too few for one":    "00 00 0012 01 01 00 01 00 00 0008 02 00 0005 0000",
		"bytes after the last proposal, too few for another": ikeOffer + "00",
	})
}

func TestSAThatCannotBeBuilt(t *testing.T) {
	one := []Transform{{Type: 1, ID: 20}}
	unbuildable(t, map[string]Payload{
		"no proposal":                         &SA{},
		"33 proposals":                        &SA{Proposals: make([]Proposal, 33)},
		"65 transforms":                       &SA{Proposals: []Proposal{{Transforms: make([]Transform, 65)}}},
		"an SPI whose length needs two bytes": &SA{Proposals: []Proposal{{SPI: make([]byte, 256), Transforms: one}}},
		"a transform with a lost attribute":   &SA{Proposals: []Proposal{{Transforms: []Transform{{Type: 1, Unknown: true}}}}},
	})
}

func FuzzSA(f *testing.F) {
	fuzzBody(f, []PayloadType{TypeSA}, "", ikeOffer,
		"00 00 0010 01 01 fa 01 00 00 0008 02 00 0005",
		"00 00 0017 01 03 04 01 c0ffee01 00 00 000f 01 00 0014 0011 0003 aabbcc",
		"02 00 0008 01 01 00 00 00 00 0008 02 01 00 00")
}
