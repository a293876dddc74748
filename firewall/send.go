package firewall

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"syscall"

	"github.com/google/nftables"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// refusedError is the kernel's answer to one step of a batch.
type refusedError struct {
	step step
	err  error
}

func (e *refusedError) Error() string {
	return fmt.Sprintf("the kernel refuses %s: %v", e.step.what, e.err)
}
func (e *refusedError) Unwrap() error { return e.err }

// send runs steps as one batch. The library makes the messages and does not send
// them, for three reasons: it asks for an answer to each, which takes longer than
// all else; when the answers do not fit it cannot say what became of the batch;
// and it does not tell whose answer an error is.
//
// The kernel carries out a batch before the call that sends it returns, so every
// answer is there then. Of a refused batch nothing is carried out.
func send(steps []step) error {
	messages, owners, err := marshal(steps)
	if err != nil {
		return err
	}
	var batch []byte
	for i, m := range messages {
		m.Header.Sequence, m.Header.PID = uint32(i+1), 0
		m.Header.Flags &^= netlink.Acknowledge
		if i == len(messages)-2 { // before the end of the batch
			m.Header.Flags |= netlink.Acknowledge
		}
		text, err := m.MarshalBinary()
		if err != nil {
			return err
		}
		batch = append(batch, text...)
	}
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_NETFILTER)
	if err != nil {
		return fmt.Errorf("open nf_tables: %w", err)
	}
	defer unix.Close(fd)
	// An answer without the message that it is about is short. Where the system's
	// limit on buffers holds, a batch within it still works.
	unix.SetsockoptInt(fd, unix.SOL_NETLINK, unix.NETLINK_CAP_ACK, 1)
	for option, forced := range map[int]int{unix.SO_SNDBUF: unix.SO_SNDBUFFORCE, unix.SO_RCVBUF: unix.SO_RCVBUFFORCE} {
		if unix.SetsockoptInt(fd, unix.SOL_SOCKET, forced, len(batch)+leastBuffer) != nil {
			unix.SetsockoptInt(fd, unix.SOL_SOCKET, option, len(batch)+leastBuffer)
		}
	}
	if err := unix.Sendto(fd, batch, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return fmt.Errorf("send %d bytes to nf_tables: %w", len(batch), err)
	}
	return answers(fd, steps, owners)
}

// leastBuffer is the least room in bytes for what the kernel answers.
const leastBuffer = 1 << 20

// numbering is held while a batch is made: the library numbers sets by a counter
// of the whole process that nothing guards.
var numbering sync.Mutex

// marshal makes the messages of a batch, and says of each which step it is of;
// -1 for its frame.
func marshal(steps []step) (messages []netlink.Message, owners []int, err error) {
	numbering.Lock()
	defer numbering.Unlock()
	c, err := nftables.New(nftables.AsLasting(), nftables.WithTestDial(func(m []netlink.Message) ([]netlink.Message, error) {
		messages = append(messages, m...)
		return nil, unix.ENOBUFS // which makes it wait for no answer
	}))
	if err != nil {
		return nil, nil, fmt.Errorf("open nf_tables: %w", err)
	}
	defer c.CloseLasting()
	owners = append(owners, -1)
	for i, s := range steps {
		if err := s.add(c); err != nil {
			return nil, nil, fmt.Errorf("%s: %w", s.what, err)
		}
		for range max(s.messages, 1) {
			owners = append(owners, i)
		}
	}
	owners = append(owners, -1)
	if err := c.Flush(); !errors.Is(err, unix.ENOBUFS) {
		return nil, nil, fmt.Errorf("write a batch: %w", err)
	}
	if len(messages) != len(owners) {
		return nil, nil, fmt.Errorf("a batch of %d messages has %d", len(owners), len(messages))
	}
	return messages, owners, nil
}

// answers reads what the kernel says about a batch: the first error, or that
// its last message was carried out.
func answers(fd int, steps []step, owners []int) error {
	buffer := make([]byte, dumpBuffer)
	done := false
	var refused error
	for {
		size, _, err := unix.Recvfrom(fd, buffer, 0)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.EAGAIN) && refused != nil:
			return refused
		case errors.Is(err, unix.EAGAIN) && done:
			return nil
		case err != nil:
			return fmt.Errorf("read what nf_tables answers: %w", err)
		}
		messages, err := syscall.ParseNetlinkMessage(buffer[:size])
		if err != nil {
			return fmt.Errorf("read what nf_tables answers: %w", err)
		}
		for _, m := range messages {
			if m.Header.Type != unix.NLMSG_ERROR {
				continue
			}
			if len(m.Data) >= 4 && binary.NativeEndian.Uint32(m.Data) == 0 {
				done = true
				continue
			}
			if refused != nil {
				continue // what follows from the first
			}
			refused = errorIn(m.Data)
			if n := int(m.Header.Seq) - 1; n >= 0 && n < len(owners) && owners[n] >= 0 {
				refused = &refusedError{steps[owners[n]], refused}
			}
		}
	}
}
