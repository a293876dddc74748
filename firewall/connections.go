package firewall

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/mdlayher/netlink"
	"github.com/ti-mo/conntrack"
	"github.com/ti-mo/netfilter"
	"golang.org/x/sys/unix"
)

// Connection is one that the kernel tracks.
type Connection struct {
	// ID is the kernel's; two connections at the same time may have the same,
	// but not with the same ends.
	ID       uint32
	Protocol uint8 // IANA's number
	// Source and Destination are as the first packet had them. Their ports are
	// zero where there are none.
	Source, Destination netip.AddrPort
	// Seen is the source as the other side sees it, Led the destination that
	// answers; they differ where an address was translated.
	Seen, Led netip.AddrPort
	// ICMPType and ICMPCode are those of the first packet.
	ICMPType, ICMPCode uint8
	// Sent is what came from Source, Received what went back. Zero unless the
	// kernel counts (nf_conntrack_acct).
	Sent, Received Volume
	// Began is zero unless the kernel notes it (nf_conntrack_timestamp).
	Began time.Time
	// Answered says that packets went both ways.
	Answered bool
}

// Volume counts packets and their bytes, IP headers included.
type Volume struct{ Packets, Bytes uint64 }

// Connections calls fn for each connection that is tracked in the network
// namespace of the calling thread, until it returns false. It holds one at a
// time, however many there are.
func Connections(ctx context.Context, fn func(Connection) bool) error {
	return eachFlow(ctx, func(f *conntrack.Flow) bool { return fn(connectionOf(f)) })
}

// EndConnections makes the kernel forget the connections that match, and says
// how many there were. The next packet of one is new to the rules; that of a
// TCP connection in its middle is invalid, if the kernel is strict
// (nf_conntrack_tcp_loose). Nobody is told: the ends notice that nothing comes.
func EndConnections(ctx context.Context, match func(Connection) bool) (int, error) {
	c, err := conntrack.Dial(nil)
	if err != nil {
		return 0, fmt.Errorf("open connection tracking: %w", err)
	}
	defer c.Close()
	ended := 0
	var errs []error
	err = eachFlow(ctx, func(f *conntrack.Flow) bool {
		if !match(connectionOf(f)) {
			return true
		}
		switch err := c.Delete(*f); {
		case err == nil:
			ended++
		case !errors.Is(err, unix.ENOENT): // it ended by itself
			errs = append(errs, err)
		}
		return len(errs) < 10
	})
	if err = errors.Join(append(errs, err)...); err != nil {
		err = fmt.Errorf("end connections: %w", err)
	}
	return ended, err
}

// getConnections is IPCTNL_MSG_CT_GET (linux/netfilter/nfnetlink_conntrack.h).
const getConnections = 1

// flowBuffer in bytes holds what the kernel writes ahead of the reader.
const flowBuffer = 1 << 20

// eachFlow reads the table of connections, one at a time.
func eachFlow(ctx context.Context, fn func(*conntrack.Flow) bool) error {
	c, err := netlink.Dial(unix.NETLINK_NETFILTER, nil)
	if err != nil {
		return fmt.Errorf("open connection tracking: %w", err)
	}
	defer c.Close()
	if err := c.SetReadBuffer(flowBuffer); err != nil {
		return fmt.Errorf("open connection tracking: %w", err)
	}
	ask, err := netfilter.MarshalNetlink(netfilter.Header{
		SubsystemID: netfilter.NFSubsysCTNetlink, MessageType: getConnections,
		Family: netfilter.ProtoUnspec, Flags: netlink.Request | netlink.Dump,
	}, nil)
	if err == nil {
		_, err = c.Send(ask)
	}
	if err != nil {
		return fmt.Errorf("ask for connections: %w", err)
	}
	for m, err := range c.ReceiveIter() {
		if err == nil {
			err = ctx.Err()
		}
		var e conntrack.Event
		if err == nil {
			err = e.Unmarshal(m)
		}
		if err != nil {
			return fmt.Errorf("read connections: %w", err)
		}
		if e.Flow != nil && !fn(e.Flow) {
			return nil
		}
	}
	return nil
}

// connectionOf keeps what is asked for; the kernel says a lot more.
func connectionOf(f *conntrack.Flow) Connection {
	there, back := f.TupleOrig, f.TupleReply
	return Connection{
		ID: f.ID, Protocol: there.Proto.Protocol,
		Source:      end(there.IP.SourceAddress, there.Proto.SourcePort),
		Destination: end(there.IP.DestinationAddress, there.Proto.DestinationPort),
		Seen:        end(back.IP.DestinationAddress, back.Proto.DestinationPort),
		Led:         end(back.IP.SourceAddress, back.Proto.SourcePort),
		ICMPType:    there.Proto.ICMPType, ICMPCode: there.Proto.ICMPCode,
		Sent:     Volume{f.CountersOrig.Packets, f.CountersOrig.Bytes},
		Received: Volume{f.CountersReply.Packets, f.CountersReply.Bytes},
		Began:    f.Timestamp.Start, Answered: f.Status.SeenReply(),
	}
}

func end(a netip.Addr, port uint16) netip.AddrPort { return netip.AddrPortFrom(a.Unmap(), port) }

// Asked is what the rules decided about when it began.
func (c Connection) Asked() Flow {
	return Flow{
		Source: c.Source.Addr(), Destination: c.Led.Addr(), Protocol: c.Protocol, Port: c.Led.Port(),
		Translated: c.Destination != c.Led, ICMPType: c.ICMPType, ICMPCode: c.ICMPCode,
	}
}
