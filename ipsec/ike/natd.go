package ike

import (
	"bytes"
	"crypto/sha1"
	"encoding/binary"
	"net/netip"

	"gatehouse/ipsec/wire"
)

// natPort is UDP 4500 (RFC 7296 section 2.23).
const natPort = 4500

// natHash is the content of NAT_DETECTION_*_IP: SHA-1 over SPIs, address and
// port (section 2.23). SHA-1 guards nothing here; the RFC fixes it.
func natHash(spii, spir uint64, a netip.AddrPort) []byte {
	b := binary.BigEndian.AppendUint64(nil, spii)
	b = binary.BigEndian.AppendUint64(b, spir)
	b = append(b, a.Addr().AsSlice()...)
	sum := sha1.Sum(binary.BigEndian.AppendUint16(b, a.Port()))
	return sum[:]
}

// forced says whether ESP must go in UDP whatever lies between.
func (sa *SA) forced() bool { return sa.env.ForceEncap || sa.peer.ForceEncap }

// natNotifies are both NAT_DETECTION notifies. To force encapsulation our own
// source is made not to match, so that the peer sees a NAT in front of us.
func (sa *SA) natNotifies(spii, spir uint64) []wire.Payload {
	source := natHash(spii, spir, sa.local)
	if sa.forced() {
		source = sa.random(sha1.Size)
	}
	return []wire.Payload{
		&wire.Notify{NotifyType: wire.NATDetectionSourceIP, Data: source},
		&wire.Notify{NotifyType: wire.NATDetectionDestIP, Data: natHash(spii, spir, sa.remote)},
	}
}

// detectNAT compares the peer's notifies with what we see. A peer may send
// several sources; one that matches is enough.
func (sa *SA) detectNAT(ps []wire.Payload, d Datagram, spii, spir uint64) {
	sources, behind := 0, true
	for _, p := range ps {
		n, ok := p.(*wire.Notify)
		if !ok {
			continue
		}
		switch n.NotifyType {
		case wire.NATDetectionSourceIP:
			sources++
			if bytes.Equal(n.Data, natHash(spii, spir, d.Remote)) {
				behind = false
			}
		case wire.NATDetectionDestIP:
			if !bytes.Equal(n.Data, natHash(spii, spir, d.Local)) {
				sa.nat, sa.behind = true, true
			}
		}
	}
	if sources > 0 && behind {
		sa.nat = true
	}
	if sa.forced() {
		sa.nat = true
	}
}
