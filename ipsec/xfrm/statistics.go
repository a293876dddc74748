package xfrm

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"gatehouse/ipsec/sad"
)

// statistics are the kernel's counters of refused packets (RFC 4301 section 5.2),
// of all that uses IPsec in this network namespace. It has none for single
// policies.
type statistics struct {
	file  *os.File // nil where the kernel was built without them
	begin [sad.Refusals]uint64
}

// reasons are the kernel's words for ours. One of its counters stands for what came
// by the wrong SA and for what came in clear.
var reasons = map[string]sad.Refusal{
	"XfrmInStateSeqError": sad.ReplayedPacket, "XfrmInStateProtoError": sad.BadICV, "XfrmInNoStates": sad.UnknownSPI,
	"XfrmInTmplMismatch": sad.WrongSA, "XfrmInStateMismatch": sad.WrongSA, "XfrmInStateModeError": sad.WrongSA,
	"XfrmInNoPols": sad.Discarded, "XfrmInPolBlock": sad.Discarded, "XfrmOutPolBlock": sad.Discarded,
	"XfrmInHdrError": sad.Malformed, "XfrmInBufferError": sad.Malformed,
}

// openStatistics opens them for the namespace of the calling thread.
func openStatistics() (*statistics, error) {
	f, err := os.Open("/proc/thread-self/net/xfrm_stat")
	if os.IsNotExist(err) {
		return &statistics{}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("the kernel's counters of IPsec: %w", err)
	}
	s := &statistics{file: f}
	s.begin, err = s.read()
	return s, err
}

func (s *statistics) close() error {
	if s == nil || s.file == nil {
		return nil
	}
	return s.file.Close()
}

func (s *statistics) read() (out [sad.Refusals]uint64, err error) {
	text, err := io.ReadAll(io.NewSectionReader(s.file, 0, 64<<10))
	if err != nil {
		return out, fmt.Errorf("the kernel's counters of IPsec: %w", err)
	}
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		if len(fields) != 2 {
			continue
		}
		if why, ok := reasons[fields[0]]; ok {
			n, err := strconv.ParseUint(fields[1], 10, 64)
			if err != nil {
				return out, fmt.Errorf("the kernel's counters of IPsec: %w", err)
			}
			out[why] += n
		}
	}
	return out, nil
}

// Refused are packets that the kernel refused since the plane was opened.
func (p *Plane) Refused() (out [sad.Refusals]uint64, known bool) {
	if p.statistics.file == nil {
		return out, false
	}
	out, err := p.statistics.read()
	if err != nil {
		p.cfg.Log.Warn("cannot read what IPsec refused", "err", err)
		return out, false
	}
	for why := range out {
		out[why] -= min(p.statistics.begin[why], out[why])
	}
	return out, true
}
