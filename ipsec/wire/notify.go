package wire

import (
	"fmt"

	"golang.org/x/crypto/cryptobyte"
)

// NotifyType is RFC 7296 section 3.10.1. Below 16384 it is an error.
type NotifyType uint16

// Error notifies.
const (
	UnsupportedCriticalPayload NotifyType = 1
	InvalidIKESPI              NotifyType = 4
	InvalidMajorVersion        NotifyType = 5
	InvalidSyntax              NotifyType = 7
	InvalidMessageID           NotifyType = 9
	InvalidSPI                 NotifyType = 11
	NoProposalChosen           NotifyType = 14
	InvalidKEPayload           NotifyType = 17
	AuthenticationFailed       NotifyType = 24
	SinglePairRequired         NotifyType = 34
	NoAdditionalSAs            NotifyType = 35
	InternalAddressFailure     NotifyType = 36
	FailedCPRequired           NotifyType = 37
	TSUnacceptable             NotifyType = 38
	InvalidSelectors           NotifyType = 39
	UnacceptableAddresses      NotifyType = 40 // RFC 4555
	UnexpectedNATDetected      NotifyType = 41 // RFC 4555
	TemporaryFailure           NotifyType = 43
	ChildSANotFound            NotifyType = 44
)

// Status notifies.
const (
	InitialContact          NotifyType = 16384
	SetWindowSize           NotifyType = 16385
	AdditionalTSPossible    NotifyType = 16386
	IPCompSupported         NotifyType = 16387
	NATDetectionSourceIP    NotifyType = 16388
	NATDetectionDestIP      NotifyType = 16389
	Cookie                  NotifyType = 16390
	UseTransportMode        NotifyType = 16391
	HTTPCertLookupSupported NotifyType = 16392
	RekeySA                 NotifyType = 16393
	ESPTFCPaddingNotSupport NotifyType = 16394
	NonFirstFragmentsAlso   NotifyType = 16395
	MOBIKESupported         NotifyType = 16396
	AdditionalIP4Address    NotifyType = 16397 // these are RFC 4555
	AdditionalIP6Address    NotifyType = 16398
	NoAdditionalAddresses   NotifyType = 16399
	UpdateSAAddresses       NotifyType = 16400
	Cookie2                 NotifyType = 16401
	NoNATsAllowed           NotifyType = 16402
	MultipleAuthSupported   NotifyType = 16404
	FragmentationSupported  NotifyType = 16430
	SignatureHashAlgorithms NotifyType = 16431
	UsePPK                  NotifyType = 16435 // RFC 8784
	PPKIdentity             NotifyType = 16436 // RFC 8784
	NoPPKAuth               NotifyType = 16437 // RFC 8784
	firstStatus             NotifyType = 16384

	// IntermediateExchangeSupported is RFC 9242.
	IntermediateExchangeSupported NotifyType = 16438
)

var notifyNames = map[NotifyType]string{
	UnsupportedCriticalPayload: "UNSUPPORTED_CRITICAL_PAYLOAD", InvalidIKESPI: "INVALID_IKE_SPI",
	InvalidMajorVersion: "INVALID_MAJOR_VERSION", InvalidSyntax: "INVALID_SYNTAX",
	InvalidMessageID: "INVALID_MESSAGE_ID", InvalidSPI: "INVALID_SPI", NoProposalChosen: "NO_PROPOSAL_CHOSEN",
	InvalidKEPayload: "INVALID_KE_PAYLOAD", AuthenticationFailed: "AUTHENTICATION_FAILED",
	SinglePairRequired: "SINGLE_PAIR_REQUIRED", NoAdditionalSAs: "NO_ADDITIONAL_SAS",
	InternalAddressFailure: "INTERNAL_ADDRESS_FAILURE", FailedCPRequired: "FAILED_CP_REQUIRED",
	TSUnacceptable: "TS_UNACCEPTABLE", InvalidSelectors: "INVALID_SELECTORS",
	TemporaryFailure: "TEMPORARY_FAILURE", ChildSANotFound: "CHILD_SA_NOT_FOUND",
	InitialContact: "INITIAL_CONTACT", SetWindowSize: "SET_WINDOW_SIZE",
	AdditionalTSPossible: "ADDITIONAL_TS_POSSIBLE", IPCompSupported: "IPCOMP_SUPPORTED",
	NATDetectionSourceIP: "NAT_DETECTION_SOURCE_IP", NATDetectionDestIP: "NAT_DETECTION_DESTINATION_IP",
	Cookie: "COOKIE", UseTransportMode: "USE_TRANSPORT_MODE",
	HTTPCertLookupSupported: "HTTP_CERT_LOOKUP_SUPPORTED", RekeySA: "REKEY_SA",
	ESPTFCPaddingNotSupport: "ESP_TFC_PADDING_NOT_SUPPORTED", NonFirstFragmentsAlso: "NON_FIRST_FRAGMENTS_ALSO",
	UnacceptableAddresses: "UNACCEPTABLE_ADDRESSES", UnexpectedNATDetected: "UNEXPECTED_NAT_DETECTED",
	AdditionalIP4Address: "ADDITIONAL_IP4_ADDRESS", AdditionalIP6Address: "ADDITIONAL_IP6_ADDRESS",
	NoAdditionalAddresses: "NO_ADDITIONAL_ADDRESSES", UpdateSAAddresses: "UPDATE_SA_ADDRESSES",
	Cookie2: "COOKIE2", NoNATsAllowed: "NO_NATS_ALLOWED",
	MOBIKESupported: "MOBIKE_SUPPORTED", MultipleAuthSupported: "MULTIPLE_AUTH_SUPPORTED",
	FragmentationSupported: "IKEV2_FRAGMENTATION_SUPPORTED", SignatureHashAlgorithms: "SIGNATURE_HASH_ALGORITHMS",
	UsePPK: "USE_PPK", PPKIdentity: "PPK_IDENTITY", NoPPKAuth: "NO_PPK_AUTH",
	IntermediateExchangeSupported: "INTERMEDIATE_EXCHANGE_SUPPORTED",
}

func (t NotifyType) String() string {
	if n, ok := notifyNames[t]; ok {
		return n
	}
	return fmt.Sprintf("notify %d", uint16(t))
}

// IsError says whether the notify reports a failure; unknown ones below 16384
// do (RFC 7296 section 3.10.1).
func (t NotifyType) IsError() bool { return t < firstStatus }

// Notify is a notify payload (RFC 7296 section 3.10).
type Notify struct {
	Protocol   uint8
	SPI        []byte
	NotifyType NotifyType
	Data       []byte
}

// Type is N.
func (*Notify) Type() PayloadType { return TypeNotify }

func (p *Notify) appendBody(b *cryptobyte.Builder) {
	if len(p.SPI) > maxSPILen {
		b.SetError(malformed(TypeNotify, fmt.Sprintf("an SPI of %d bytes", len(p.SPI))))
		return
	}
	b.AddUint8(p.Protocol)
	b.AddUint8(uint8(len(p.SPI)))
	b.AddUint16(uint16(p.NotifyType))
	b.AddBytes(p.SPI)
	b.AddBytes(p.Data)
}

func parseNotify(s cryptobyte.String) (Payload, error) {
	p := &Notify{}
	var spiLen uint8
	var kind uint16
	if !s.ReadUint8(&p.Protocol) || !s.ReadUint8(&spiLen) || !s.ReadUint16(&kind) ||
		!s.ReadBytes(&p.SPI, int(spiLen)) {
		return nil, malformed(TypeNotify, "cut off")
	}
	p.NotifyType, p.Data = NotifyType(kind), s
	return p, nil
}

// FindNotify gives the first notify of a type, or nil.
func FindNotify(ps []Payload, t NotifyType) *Notify {
	for _, p := range ps {
		if n, ok := p.(*Notify); ok && n.NotifyType == t {
			return n
		}
	}
	return nil
}

// FirstError gives the first error notify, or nil.
func FirstError(ps []Payload) *Notify {
	for _, p := range ps {
		if n, ok := p.(*Notify); ok && n.NotifyType.IsError() {
			return n
		}
	}
	return nil
}
