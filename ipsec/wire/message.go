package wire

import (
	"fmt"

	"golang.org/x/crypto/cryptobyte"
)

// Message is an IKE message. Payloads of a protected one are those inside,
// after OpenMessage, or the one *Encrypted, after Parse.
type Message struct {
	Header   Header
	Payloads []Payload
}

// Parse reads a message as it is on the wire. What is sealed stays sealed.
func Parse(b []byte) (*Message, error) {
	h, err := ParseHeader(b)
	if err != nil {
		return nil, err
	}
	s := cryptobyte.String(b)
	s.Skip(HeaderLen)
	ps, err := ParsePayloads(h.NextPayload, s)
	if err != nil {
		return nil, err
	}
	return &Message{Header: h, Payloads: ps}, nil
}

// Marshal builds the message. Lengths and the chain of payload types are
// computed; Header.Major 0 means 2.
func (m *Message) Marshal() ([]byte, error) {
	first, body, err := MarshalPayloads(m.Payloads)
	if err != nil {
		return nil, err
	}
	return prepend(m.Header, first, body)
}

func prepend(h Header, first PayloadType, body []byte) ([]byte, error) {
	if HeaderLen+len(body) > MaxMessage {
		return nil, fmt.Errorf("build %s message: %d bytes are too long", h.Exchange, HeaderLen+len(body))
	}
	b := cryptobyte.NewBuilder(make([]byte, 0, HeaderLen+len(body)))
	h.append(b, first, HeaderLen+len(body))
	b.AddBytes(body)
	return b.Bytes()
}
