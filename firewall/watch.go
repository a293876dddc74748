package firewall

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/florianl/go-nflog/v2"
	"golang.org/x/sys/unix"
)

// Dropped is a packet that was dropped or refused, or that an allow rule with
// Log let through.
type Dropped struct {
	Time                time.Time
	Rule                string // rule ID
	InDevice, OutDevice string // empty where the packet has none
	Src, Dst            netip.Addr
	Protocol            uint8  // IANA number of what is above IP
	SrcPort, DstPort    uint16 // zero where there are none
	Action              string // "drop", "reject" or "allow"
}

// logDelay is how long the kernel may hold reports back to send them together,
// in hundredths of a second.
const logDelay = 10

// logBuffer is the socket's in bytes: a few thousand reports.
const logBuffer = 4 << 20

// WatchLog calls fn for every packet the rules report to an nflog group in the
// network namespace of the calling thread, one at a time, until ctx is done;
// then it returns nil. Reports are lost, and that is logged, when fn is too
// slow. It needs CAP_NET_ADMIN. fn must not block for long.
func WatchLog(ctx context.Context, group uint16, log *slog.Logger, fn func(Dropped)) error {
	// A socket knows its namespace, a goroutine does not: names of devices
	// are asked for through this one.
	names, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("watch nflog group %d: %w", group, err)
	}
	reader, err := nflog.Open(&nflog.Config{Group: group, Copymode: nflog.CopyPacket, Bufsize: logSnaplen, Timeout: logDelay})
	if err != nil {
		unix.Close(names)
		return fmt.Errorf("watch nflog group %d: %w", group, err)
	}
	if err := reader.Con.SetReadBuffer(logBuffer); err != nil {
		log.Warn("nflog has a small buffer", "err", err)
	}
	inner, cancel := context.WithCancel(ctx)
	failed := make(chan error, 1)
	// The library's goroutine may outlive its Close by one packet; over keeps
	// that packet from fn and from a closed socket.
	var mu sync.Mutex
	over := false
	onPacket := func(a nflog.Attribute) int {
		mu.Lock()
		defer mu.Unlock()
		if over {
			return 1
		}
		fn(describe(a, func(index uint32) string { return deviceName(names, index) }))
		return 0
	}
	onError := func(err error) int {
		switch {
		case inner.Err() != nil:
			return 1
		case errors.Is(err, unix.ENOBUFS):
			log.Warn("packets were not reported: more than the reader could take")
			return 0
		}
		select {
		case failed <- err:
		default:
		}
		return 1
	}
	if err = reader.RegisterWithErrorFunc(inner, onPacket, onError); err == nil {
		select {
		case <-ctx.Done():
		case err = <-failed:
		}
	}
	cancel()
	err = errors.Join(err, reader.Close())
	if ctx.Err() != nil {
		err = nil
	}
	mu.Lock()
	over = true
	mu.Unlock()
	unix.Close(names)
	if err != nil {
		return fmt.Errorf("watch nflog group %d: %w", group, err)
	}
	return nil
}

// describe turns a report into what a person asks: when, which rule, from
// where to where.
func describe(a nflog.Attribute, device func(uint32) string) Dropped {
	d := Dropped{Time: time.Now()}
	if a.Timestamp != nil {
		d.Time = *a.Timestamp
	}
	if a.Prefix != nil {
		d.Rule, d.Action, _ = strings.Cut(*a.Prefix, " ")
	}
	if a.InDev != nil {
		d.InDevice = device(*a.InDev)
	}
	if a.OutDev != nil {
		d.OutDevice = device(*a.OutDev)
	}
	if a.Payload != nil {
		h := parseHeader(*a.Payload)
		d.Src, d.Dst, d.Protocol, d.SrcPort, d.DstPort = h.src, h.dst, h.protocol, h.srcPort, h.dstPort
	}
	return d
}

// deviceName asks for a device's name through a socket; a device that is gone
// by now keeps its number.
func deviceName(socket int, index uint32) string {
	req, err := unix.NewIfreq("")
	if err == nil {
		req.SetUint32(index)
		err = unix.IoctlIfreq(socket, unix.SIOCGIFNAME, req)
	}
	if err != nil || req.Name() == "" {
		return fmt.Sprintf("#%d", index)
	}
	return req.Name()
}
