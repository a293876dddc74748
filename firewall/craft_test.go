package firewall

import (
	"encoding/binary"

	"golang.org/x/sys/unix"
)

// craft makes the Ethernet frame of the first packet of a flow. It carries a
// number, by which it is known again wherever it comes out.
func craft(f Flow, to MAC, number uint32) []byte {
	f = f.complete()
	frame := append(append(append([]byte{}, to[:]...), f.MAC[:]...), 0x08, 0x00)
	above := payload(f, number)
	if f.Source.Is6() {
		frame[12], frame[13] = 0x86, 0xdd
		head := binary.BigEndian.AppendUint32(nil, 6<<28|uint32(f.DSCP)<<22)
		head = binary.BigEndian.AppendUint16(head, uint16(len(above)))
		head = append(head, f.Protocol, 64)
		return append(append(append(append(frame, head...), f.Source.AsSlice()...), f.Destination.AsSlice()...), above...)
	}
	head := []byte{0x45, f.DSCP << 2}
	head = binary.BigEndian.AppendUint16(head, uint16(20+len(above)))
	head = append(head, 0, 0, 0, 0, 64, f.Protocol, 0, 0)
	head = append(append(head, f.Source.AsSlice()...), f.Destination.AsSlice()...)
	binary.BigEndian.PutUint16(head[10:], checksum(head))
	return append(append(frame, head...), above...)
}

// payload is what is above IP. Source ports and the like differ from number to
// number, so that each is a connection of its own.
func payload(f Flow, number uint32) []byte {
	var p []byte
	at := -1 // of the checksum
	from := uint16(1024 + number%60000)
	switch transport(f.Protocol) {
	case overTCP: // RFC 9293 3.1: a SYN whose sequence number is the number
		p = binary.BigEndian.AppendUint16(p, from)
		p = binary.BigEndian.AppendUint16(p, f.Port)
		p = binary.BigEndian.AppendUint32(p, number)
		p = append(p, 0, 0, 0, 0, 5<<4, tcpFlagSYN, 0x20, 0, 0, 0, 0, 0)
		at = 16
	case overUDP:
		p = binary.BigEndian.AppendUint16(p, from)
		p = binary.BigEndian.AppendUint16(p, f.Port)
		p = append(p, 0, 12, 0, 0)
		p = binary.BigEndian.AppendUint32(p, number)
		at = 6
	case overICMP, overICMPv6:
		p = append(p, f.ICMPType, f.ICMPCode, 0, 0)
		p = binary.BigEndian.AppendUint16(p, uint16(number))
		p = binary.BigEndian.AppendUint16(p, uint16(number>>16))
		p = append(p, make([]byte, 12)...) // as long as the longest, a time stamp
		at = 2
	default:
		return binary.BigEndian.AppendUint32(p, number)
	}
	if transport(f.Protocol) == overICMP {
		binary.BigEndian.PutUint16(p[at:], checksum(p))
		return p
	}
	pseudo := append(f.Source.AsSlice(), f.Destination.AsSlice()...)
	pseudo = append(pseudo, 0, f.Protocol)
	pseudo = binary.BigEndian.AppendUint16(pseudo, uint16(len(p)))
	binary.BigEndian.PutUint16(p[at:], checksum(append(pseudo, p...)))
	return p
}

// checksum is the Internet's (RFC 1071).
func checksum(b []byte) uint16 {
	var sum uint32
	for i := 0; i+1 < len(b); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(b[i:]))
	}
	if len(b)%2 == 1 {
		sum += uint32(b[len(b)-1]) << 8
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}

// numberOf finds the number in an IP packet that craft made.
func numberOf(packet []byte) (uint32, bool) {
	switch {
	case len(packet) >= 40 && packet[0]>>4 == 6:
		return numberAbove(packet[6], packet[40:])
	case len(packet) >= 20 && packet[0]>>4 == 4:
		length := int(packet[0]&15) * 4
		if len(packet) < length {
			return 0, false
		}
		return numberAbove(packet[9], packet[length:])
	}
	return 0, false
}

// numberAbove finds it in what is above IP. Answers have none.
func numberAbove(protocol uint8, p []byte) (uint32, bool) {
	switch protocol {
	case unix.IPPROTO_TCP:
		if len(p) >= 20 && p[13]&(tcpFlagSYN|tcpFlagACK|tcpFlagRST) == tcpFlagSYN {
			return binary.BigEndian.Uint32(p[4:]), true
		}
	case unix.IPPROTO_UDP:
		if len(p) >= 12 {
			return binary.BigEndian.Uint32(p[8:]), true
		}
	case unix.IPPROTO_ICMP, unix.IPPROTO_ICMPV6:
		answer := p[0] == 0 || p[0] == 14 || p[0] == 129 || p[0] == 140
		problem := p[0] == 3 || p[0] == 1
		if len(p) >= 20 && !answer && !problem {
			return uint32(binary.BigEndian.Uint16(p[4:])) | uint32(binary.BigEndian.Uint16(p[6:]))<<16, true
		}
	default:
		if len(p) >= 4 {
			return binary.BigEndian.Uint32(p), true
		}
	}
	return 0, false
}
