package wire

import "testing"

func TestDelete(t *testing.T) {
	golden(t, &Delete{Protocol: ProtocolIKE}, "01 00 0000")
	golden(t, &Delete{Protocol: ProtocolESP, SPIs: [][]byte{{1, 2, 3, 4}, {5, 6, 7, 8}}}, "03 04 0002 01020304 05060708")
}

func TestDeleteThatIsRefused(t *testing.T) {
	refused(t, TypeDelete, map[string]string{
		"nothing":                          "",
		"the count is cut off":             "03 04 00",
		"65535 SPIs that are not there":    "03 04 ffff 01020304",
		"65535 SPIs of no bytes":           "03 00 ffff",
		"an SPI of no bytes":               "03 00 0001",
		"half an SPI":                      "03 04 0001 0102",
		"an SPI more than was said":        "03 04 0001 01020304 05060708",
		"bytes where no SPIs are promised": "01 00 0000 00",
		"257 SPIs":                         "03 01 0101" + repeat("aa", 257),
	})
}

func TestDeleteThatCannotBeBuilt(t *testing.T) {
	unbuildable(t, map[string]Payload{
		"SPIs of two lengths":                 &Delete{SPIs: [][]byte{{1, 2, 3, 4}, {1}}},
		"SPIs of no bytes":                    &Delete{SPIs: [][]byte{{}}},
		"257 SPIs":                            &Delete{SPIs: make([][]byte, 257)},
		"an SPI whose length needs two bytes": &Delete{SPIs: [][]byte{make([]byte, 256)}},
	})
}

func FuzzDelete(f *testing.F) {
	fuzzBody(f, []PayloadType{TypeDelete}, "", "01 00 0000", "03 04 0001 01020304", "03 04 ffff 01020304", "03 04 0000")
}
