package office

import (
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"time"

	"gatehouse/ipsec/wire"
)

// hostileMessages are IKE messages that broke other implementations, and every
// cut of a good one.
func hostileMessages() ([][]byte, error) {
	good, err := (&wire.Message{
		Header: wire.Header{SPIi: 0x1122334455667788, Exchange: wire.IKESAInit, Flags: wire.FlagInitiator},
		Payloads: []wire.Payload{
			&wire.SA{Proposals: []wire.Proposal{{Number: 1, Protocol: wire.ProtocolIKE, Transforms: []wire.Transform{
				{Type: wire.TransformEncryption, ID: 20, KeyLength: 256}, {Type: wire.TransformPRF, ID: 5}, {Type: wire.TransformGroup, ID: 31},
			}}}},
			&wire.KeyExchange{Group: 31, Data: make([]byte, 32)},
			&wire.Nonce{Data: make([]byte, 32)},
		},
	}).Marshal()
	if err != nil {
		return nil, err
	}
	// fix sets the length of the header, so that the message gets past it.
	fix := func(b []byte) []byte {
		binary.BigEndian.PutUint32(b[24:], uint32(len(b)))
		return b
	}
	var out [][]byte
	for n := range good {
		cut := append([]byte{}, good[:n]...)
		out = append(out, cut)
		if n >= wire.HeaderLen {
			out = append(out, fix(append([]byte{}, cut...)))
		}
	}
	for i := range good {
		for _, v := range []byte{0, 1, 0x7f, 0xff} {
			changed := append([]byte{}, good...)
			changed[i] = v
			out = append(out, changed)
		}
	}
	// A proposal whose SPI is said to have 250 bytes, an SK payload shorter
	// than its ICV, and a message of the largest size with nothing in it.
	bigSPI := append([]byte{}, good...)
	bigSPI[wire.HeaderLen+4+6] = 250
	shortSK := append(append([]byte{}, good[:16]...), 46, 0x20, 35, 0x08, 0, 0, 0, 1, 0, 0, 0, 0, 33, 0, 0, 8, 1, 2, 3, 4)
	huge := make([]byte, 60000)
	copy(huge, good[:wire.HeaderLen])
	return append(out, bigSPI, fix(shortSK), fix(huge)), nil
}

// maxGrowth is what a flood of nonsense may cost in bytes.
const maxGrowth = 32 << 20

func malformed(ctx context.Context, l *Office) (string, error) {
	messages, err := hostileMessages()
	if err != nil {
		return "", err
	}
	pid := l.HQ.PID()
	before, _, err := memory(pid)
	if err != nil {
		return "", err
	}
	sent := 0
	for range 3 {
		for _, from := range []*Host{l.Mallory, l.Branch.Host} {
			for _, port := range []string{"500", "4500"} {
				conn, err := from.Dial(ctx, "udp", net.JoinHostPort(hqWAN, port))
				if err != nil {
					return "", err
				}
				for _, m := range messages {
					if port == "4500" {
						m = append(make([]byte, 4), m...)
					}
					if _, err := conn.Write(m); err == nil {
						sent++
					}
					if sent%200 == 0 {
						time.Sleep(5 * time.Millisecond) // or the socket drops most of them
					}
				}
				conn.Close()
			}
		}
	}
	if err := l.HQPC.reaches(ctx, branchPC); err != nil {
		return "", err
	}
	after, _, err := memory(pid)
	if err != nil || l.HQ.PID() != pid {
		return "", fmt.Errorf("the gateway did not survive: %v\n%s", err, l.HQ.Log(2000))
	}
	if after-before > maxGrowth {
		return "", fmt.Errorf("memory grew from %d to %d bytes", before, after)
	}
	return fmt.Sprintf("%d messages; same process, memory %+.1f MB, the tunnel carries on", sent, float64(after-before)/1e6), nil
}
