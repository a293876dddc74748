package xfrm

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"runtime"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"gatehouse/ipsec/crypto"
	"gatehouse/ipsec/sad"
)

// Report says whether the kernel can carry IPsec, and what it lacks.
type Report struct {
	Usable bool
	// Findings are what failed, one short phrase each; empty if Usable.
	Findings []string
	// Lacks are what a usable kernel is too old or too small for.
	Lacks []string
}

// Probe tries what the data plane needs, in a network namespace of its own
// that is gone afterwards: asking is not enough, because a kernel may know the
// names and lack the modules. It changes nothing.
func Probe(ctx context.Context) Report {
	done := make(chan Report, 1)
	go func() {
		// The thread keeps the scratch namespace and dies with this goroutine,
		// because it is never unlocked.
		runtime.LockOSThread()
		done <- probe()
	}()
	select {
	case r := <-done:
		return r
	case <-ctx.Done():
		return Report{Findings: []string{"the probe was interrupted"}}
	}
}

func probe() Report {
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		return Report{Findings: []string{fmt.Sprintf("no namespace to try it in (%v)", err)}}
	}
	var r Report
	for _, try := range []struct {
		what string
		do   func() error
	}{
		{"no xfrm interfaces", tryInterface},
		{"no ESP", func() error { return trySA(netlink.XFRM_PROTO_ESP, nil) }},
		{"no ESP in UDP", func() error {
			return trySA(netlink.XFRM_PROTO_ESP, &netlink.XfrmStateEncap{
				Type: netlink.XFRM_ENCAP_ESPINUDP, SrcPort: 4500, DstPort: 4500, OriginalAddress: net.IPv4zero,
			})
		}},
	} {
		if err := try.do(); err != nil {
			r.Findings = append(r.Findings, fmt.Sprintf("%s (%v)", try.what, err))
		}
	}
	r.Usable = len(r.Findings) == 0
	if !r.Usable {
		return r
	}
	c, err := dial()
	if err != nil {
		return Report{Findings: []string{err.Error()}}
	}
	defer c.close()
	if !c.migrates() {
		r.Lacks = append(r.Lacks, "migration of SAs")
	}
	if !c.hasCPUs() {
		r.Lacks = append(r.Lacks, "SAs of one processor")
	}
	return r
}

// migrates asks to migrate by a policy that is not there.
func (c *conn) migrates() bool {
	from, to := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	p := netip.PrefixFrom(from, 32)
	err := c.migrate(
		place{selector: selector{source: p, destination: p}, direction: policyOut}, sad.SA{Protocol: sad.ESP, Direction: sad.Out, Local: from, Remote: to},
		sad.SA{Protocol: sad.ESP, Direction: sad.Out, Local: to, Remote: from}, firstReqID)
	return !errors.Is(err, unix.ENOPROTOOPT)
}

// hasCPUs tries it with keys of zeros.
func (c *conn) hasCPUs() bool {
	suite, err := crypto.ParseESPSuite("aes128gcm16")
	if err != nil {
		return false
	}
	n, _ := crypto.ChildKeySizes(suite)
	sa := sad.SA{
		SPI: 0x1002, Protocol: sad.ESP, Direction: sad.Out, Local: netip.MustParseAddr("192.0.2.1"), Remote: netip.MustParseAddr("192.0.2.2"),
		Suite: suite, EncryptionKey: make([]byte, n), CPU: new(uint32),
	}
	m, err := saMessage(sa, 1, firstReqID, 0)
	if err != nil {
		return false
	}
	_, err = c.add(sa, m, nil)
	return err == nil
}

func tryInterface() error {
	return netlink.LinkAdd(&netlink.Xfrmi{LinkAttrs: netlink.LinkAttrs{Name: "probe0"}, Ifid: 1})
}

// trySA adds an SA with keys of zeros, in a namespace that has no device.
func trySA(proto netlink.Proto, encap *netlink.XfrmStateEncap) error {
	const aes256WithSalt, icvBits = 36, 128
	sa := &netlink.XfrmState{
		Src: net.IPv4(192, 0, 2, 1), Dst: net.IPv4(192, 0, 2, 2), Proto: proto,
		Mode: netlink.XFRM_MODE_TUNNEL, Spi: 0x1000, ReplayWindow: 32, Encap: encap,
		Aead: &netlink.XfrmStateAlgo{Name: "rfc4106(gcm(aes))", Key: make([]byte, aes256WithSalt), ICVLen: icvBits},
	}
	if encap != nil {
		sa.Spi++
	}
	return netlink.XfrmStateAdd(sa)
}
