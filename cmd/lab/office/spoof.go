package office

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"

	"github.com/mdlayher/packet"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// spoofPort marks forged packets, so that a capture knows them.
const spoofPort = 31338

// spoof sends forged TCP openings straight to a gateway's WAN port, which is
// on the same wire, with inner sources, and gives how many.
func (h *Host) spoof(g *Gateway) (int, error) {
	var target net.HardwareAddr
	err := g.Do(func() error {
		link, err := netlink.LinkByName("wan0")
		if err == nil {
			target = link.Attrs().HardwareAddr
		}
		return err
	})
	if err != nil {
		return 0, err
	}
	var frames [][]byte
	err = h.Do(func() error {
		ifi, err := net.InterfaceByName("eth0")
		if err != nil {
			return err
		}
		for _, p := range [][2]string{
			{"10.1.0.77", hqPC}, {"10.2.0.77", hqPC}, {"10.1.0.1", hqPC}, {"127.0.0.1", hqPC}, {"10.1.0.77", "10.1.0.1"},
			{"fd00:1::77", hqPC6}, {"fd00:2::77", hqPC6}, {"fd00:2::77", "fd00:1::1"},
		} {
			frames = append(frames, tcpOpening(ifi.HardwareAddr, target, netip.MustParseAddr(p[0]), netip.MustParseAddr(p[1])))
		}
		conn, err := packet.Listen(ifi, packet.Raw, unix.ETH_P_ALL, nil)
		if err != nil {
			return err
		}
		defer conn.Close()
		for _, f := range frames {
			if _, err := conn.WriteTo(f, &packet.Addr{HardwareAddr: target}); err != nil {
				return fmt.Errorf("send a forged frame: %w", err)
			}
		}
		return nil
	})
	return len(frames), err
}

// tcpOpening is an Ethernet frame with a TCP SYN to spoofPort.
func tcpOpening(from, to net.HardwareAddr, src, dst netip.Addr) []byte {
	tcp := make([]byte, 20)
	binary.BigEndian.PutUint16(tcp, 40000)
	binary.BigEndian.PutUint16(tcp[2:], spoofPort)
	tcp[12], tcp[13] = 5<<4, 2 // header length, SYN
	binary.BigEndian.PutUint16(tcp[14:], 65535)
	pseudo := append(append(src.AsSlice(), dst.AsSlice()...), 0, unix.IPPROTO_TCP, 0, byte(len(tcp)))
	binary.BigEndian.PutUint16(tcp[16:], checksum(append(pseudo, tcp...)))

	frame := append(append([]byte{}, to...), from...)
	if src.Is4() {
		ip := make([]byte, 20)
		ip[0], ip[8], ip[9] = 0x45, 64, unix.IPPROTO_TCP
		binary.BigEndian.PutUint16(ip[2:], uint16(len(ip)+len(tcp)))
		copy(ip[12:], src.AsSlice())
		copy(ip[16:], dst.AsSlice())
		binary.BigEndian.PutUint16(ip[10:], checksum(ip))
		return append(append(append(frame, 0x08, 0x00), ip...), tcp...)
	}
	ip := make([]byte, 40)
	ip[0], ip[6], ip[7] = 0x60, unix.IPPROTO_TCP, 64
	binary.BigEndian.PutUint16(ip[4:], uint16(len(tcp)))
	copy(ip[8:], src.AsSlice())
	copy(ip[24:], dst.AsSlice())
	return append(append(append(frame, 0x86, 0xdd), ip...), tcp...)
}

func checksum(b []byte) uint16 {
	var sum uint32
	for i := 0; i+1 < len(b); i += 2 {
		sum += uint32(b[i])<<8 | uint32(b[i+1])
	}
	if len(b)%2 == 1 {
		sum += uint32(b[len(b)-1]) << 8
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}
