package wire

import "testing"

func TestConfig(t *testing.T) {
	golden(t, &Config{CFGType: 1, Attributes: []Attribute{{Type: 1}, {Type: 3}}}, "01 000000 0001 0000 0003 0000")
	golden(t, &Config{CFGType: 2, Attributes: []Attribute{{Type: 1, Value: []byte{10, 0, 0, 5}}}}, "02 000000 0001 0004 0a000005")
	golden(t, &Config{CFGType: 4}, "04 000000")
}

// The bit before the attribute type is reserved (RFC 7296 section 3.15.1).
func TestTheReservedBitOfAnAttributeIsIgnored(t *testing.T) {
	p, err := parseConfig(unhex(t, "01 ffffff 8001 0000"))
	if err != nil {
		t.Fatal(err)
	}
	if d := diff(Payload(&Config{CFGType: 1, Attributes: []Attribute{{Type: 1}}}), p); d != "" {
		t.Error(d)
	}
}

func TestConfigThatIsRefused(t *testing.T) {
	refused(t, TypeConfig, map[string]string{
		"nothing":                                  "",
		"the reserved bytes are cut off":           "01 0000",
		"half an attribute":                        "01 000000 0001 00",
		"an attribute's value goes beyond the end": "01 000000 0001 0005 0a000005",
		"the largest length":                       "01 000000 0001 ffff",
		"65 attributes":                            "01 000000" + repeat("0001 0000", 65),
	})
}

func FuzzConfig(f *testing.F) {
	fuzzBody(f, []PayloadType{TypeConfig}, "", "01 000000 0001 0000 0003 0000", "02 000000 0001 0004 0a000005", "01 000000 8001 ffff")
}
