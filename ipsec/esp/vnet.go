package esp

import "encoding/binary"

// vnetLen is the length of the header that the kernel puts in front of packets
// of the TUN (struct virtio_net_hdr in linux/virtio_net.h), by which it hands over
// packets that are larger than any on the wire and whose checksums are not made
// yet.
const vnetLen = 10

// What vnet.flags and vnet.kind can be.
const (
	vnetNeedsSum = 1    // flags: from sumAt on a checksum must be made
	vnetWhole    = 0    // kind: one packet as it is
	vnetTCP4     = 1    // kind: TCP segments over IPv4
	vnetTCP6     = 4    // kind: TCP segments over IPv6
	vnetUDP      = 5    // kind: UDP datagrams over either
	vnetECN      = 0x80 // kind: and the TCP header has CWR set
)

// vnet is that header.
type vnet struct {
	flags, kind uint8
	head        uint16 // bytes of headers in front of the payload
	each        uint16 // payload bytes of each packet but the last
	sumAt       uint16 // where what the checksum covers begins
	sumField    uint16 // where it is, seen from there
}

// parseVnet reads the header; b has its length at least.
func parseVnet(b []byte) vnet {
	u16 := binary.NativeEndian.Uint16
	return vnet{flags: b[0], kind: b[1], head: u16(b[2:]), each: u16(b[4:]), sumAt: u16(b[6:]), sumField: u16(b[8:])}
}

func (v vnet) put(b []byte) {
	put := binary.NativeEndian.PutUint16
	b[0], b[1] = v.flags, v.kind
	put(b[2:], v.head)
	put(b[4:], v.each)
	put(b[6:], v.sumAt)
	put(b[8:], v.sumField)
}
