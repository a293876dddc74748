package wire

import "testing"

func TestNotify(t *testing.T) {
	golden(t, &Notify{NotifyType: Cookie, Data: []byte{1, 2}}, "00 00 4006 0102")
	golden(t, &Notify{Protocol: ProtocolESP, SPI: []byte{1, 2, 3, 4}, NotifyType: RekeySA}, "03 04 4009 01020304")
	golden(t, &Notify{NotifyType: InvalidKEPayload, Data: []byte{0, 31}}, "00 00 0011 001f")
}

func TestNotifyThatIsRefused(t *testing.T) {
	refused(t, TypeNotify, map[string]string{
		"nothing":                    "",
		"the type is cut off":        "00 00 40",
		"the SPI is cut off":         "03 04 4009 010203",
		"an SPI of 250 bytes":        "03 fa 4009 01020304",
		"an SPI that is not there":   "03 ff 4009",
		"an SPI that is a byte long": "03 05 4009 01020304",
	})
}

func TestNotifyThatCannotBeBuilt(t *testing.T) {
	unbuildable(t, map[string]Payload{"an SPI whose length needs two bytes": &Notify{SPI: make([]byte, 256)}})
}

func TestFindNotify(t *testing.T) {
	cookie := &Notify{NotifyType: Cookie}
	bad := &Notify{NotifyType: NoProposalChosen}
	later := &Notify{NotifyType: TSUnacceptable}
	ps := []Payload{&Nonce{}, cookie, bad, later}
	if FindNotify(ps, Cookie) != cookie || FindNotify(ps, MOBIKESupported) != nil {
		t.Error("a notify is not found by its type")
	}
	if FirstError(ps) != bad || FirstError(ps[:2]) != nil {
		t.Error("the first error is not found")
	}
	if n, ok := Find[*Notify](ps); !ok || n != cookie {
		t.Error("the first notify is not found")
	}
	if _, ok := Find[*SA](ps); ok {
		t.Error("an SA is found where none is")
	}
}

func TestNotifyTypesHaveTheNumbersOfIANA(t *testing.T) {
	for want, name := range map[NotifyType]string{
		1: "UNSUPPORTED_CRITICAL_PAYLOAD", 4: "INVALID_IKE_SPI", 5: "INVALID_MAJOR_VERSION", 7: "INVALID_SYNTAX",
		9: "INVALID_MESSAGE_ID", 11: "INVALID_SPI", 14: "NO_PROPOSAL_CHOSEN", 17: "INVALID_KE_PAYLOAD",
		24: "AUTHENTICATION_FAILED", 34: "SINGLE_PAIR_REQUIRED", 35: "NO_ADDITIONAL_SAS",
		36: "INTERNAL_ADDRESS_FAILURE", 37: "FAILED_CP_REQUIRED", 38: "TS_UNACCEPTABLE", 39: "INVALID_SELECTORS",
		43: "TEMPORARY_FAILURE", 44: "CHILD_SA_NOT_FOUND",
		16384: "INITIAL_CONTACT", 16385: "SET_WINDOW_SIZE", 16386: "ADDITIONAL_TS_POSSIBLE", 16387: "IPCOMP_SUPPORTED",
		16388: "NAT_DETECTION_SOURCE_IP", 16389: "NAT_DETECTION_DESTINATION_IP", 16390: "COOKIE",
		16391: "USE_TRANSPORT_MODE", 16392: "HTTP_CERT_LOOKUP_SUPPORTED", 16393: "REKEY_SA",
		16394: "ESP_TFC_PADDING_NOT_SUPPORTED", 16395: "NON_FIRST_FRAGMENTS_ALSO", 16396: "MOBIKE_SUPPORTED",
		16404: "MULTIPLE_AUTH_SUPPORTED", 16430: "IKEV2_FRAGMENTATION_SUPPORTED", 16431: "SIGNATURE_HASH_ALGORITHMS",
		999: "notify 999", 40999: "notify 40999",
	} {
		if got := want.String(); got != name {
			t.Errorf("%d is %s, want %s", uint16(want), got, name)
		}
		if want.IsError() != (want < 16384) {
			t.Errorf("%s: an error is %v", want, want.IsError())
		}
	}
}

func FuzzNotify(f *testing.F) {
	fuzzBody(f, []PayloadType{TypeNotify}, "", "00 00 4006 0102", "03 04 4009 01020304", "03 fa 4009 01020304")
}
