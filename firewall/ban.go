package firewall

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/google/nftables"
)

// Ban is a source that is refused on wan until its time is over.
type Ban struct {
	// Source is the network that is refused: one address, in IPv6 a /64, or wider.
	Source       netip.Prefix
	Reason       string
	Since, Until time.Time
	// Packets were refused so far.
	Packets uint64
}

// OverlapError refuses to ban a network that is part of another ban or holds one.
type OverlapError struct{ Source, Other netip.Prefix }

func (e OverlapError) Error() string {
	return fmt.Sprintf("%s overlaps %s, which is banned already: lift that ban first", e.Source, e.Other)
}

// NotBannedError says that there is no such ban.
type NotBannedError struct{ Source netip.Prefix }

func (e NotBannedError) Error() string { return fmt.Sprintf("%s is not banned", e.Source) }

// maxReason bounds the reason of a ban in bytes, which the kernel keeps with it.
const maxReason = 120

// BanSource is what is banned for a source: single addresses of IPv6 stand for
// their /64, because one host has as many of these as it likes.
func BanSource(p netip.Prefix) netip.Prefix {
	p = p.Masked()
	if f := familyOf(p.Addr()); p.Bits() > hostBits(f) {
		return hostNetwork(p.Addr())
	}
	return p
}

// Ban refuses everything from a source on wan for some time, also what is
// established, but for key exchange and ESP of peers. A source that is banned
// already is from now on for this time and reason. Bans outlive applies and
// this process, not a reboot. A source that is not on wan loses the connections
// it has, and nothing else.
func (a *Applier) Ban(ctx context.Context, source netip.Prefix, d time.Duration, reason string) error {
	if !source.IsValid() || source.Addr().Is4In6() || source.Bits() == 0 || d <= 0 {
		return fmt.Errorf("ban %s for %s: a ban needs a network and a time", source, d)
	}
	if len(reason) > maxReason {
		reason = reason[:maxReason]
	}
	source = BanSource(source)
	err := a.changeBans(ctx, func(c *nftables.Conn, held []Ban) error {
		for _, b := range held {
			switch {
			case b.Source == source:
				if err := c.SetDeleteElements(banSet(source), banElements(source, 0, "")); err != nil {
					return err
				}
			case b.Source.Bits() < hostBits(familyOf(source.Addr())) && source.Bits() < hostBits(familyOf(source.Addr())) && b.Source.Overlaps(source):
				return OverlapError{source, b.Source}
			}
		}
		return c.SetAddElements(banSet(source), banElements(source, d, reason))
	})
	if err != nil {
		return err
	}
	// Connections on the fast path meet no chain any more.
	if _, err := EndConnections(ctx, func(c Connection) bool { return c.with(source) && !c.ofTunnel() }); err != nil {
		a.log.Error("connections of a banned source may go on by the fast path", "source", source, "err", err)
	}
	return nil
}

// with says whether a network has an end of a connection.
func (c Connection) with(p netip.Prefix) bool {
	return p.Contains(c.Source.Addr()) || p.Contains(c.Led.Addr())
}

// ofTunnel says whether a connection is key exchange, ESP or AH.
func (c Connection) ofTunnel() bool {
	ike := func(port uint16) bool { return port == 500 || port == 4500 }
	return slices.Contains(protections(), transport(c.Protocol)) || transport(c.Protocol) == overUDP && (ike(c.Source.Port()) || ike(c.Led.Port()))
}

// Unban lifts a ban before its time. A NotBannedError says that there is none.
func (a *Applier) Unban(ctx context.Context, source netip.Prefix) error {
	source = BanSource(source)
	return a.changeBans(ctx, func(c *nftables.Conn, held []Ban) error {
		if !slices.ContainsFunc(held, func(b Ban) bool { return b.Source == source }) {
			return NotBannedError{source}
		}
		return c.SetDeleteElements(banSet(source), banElements(source, 0, ""))
	})
}

func (a *Applier) changeBans(ctx context.Context, change func(*nftables.Conn, []Ban) error) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	held, err := a.bans(ctx)
	if err != nil {
		return err
	}
	c, err := connect()
	if err != nil {
		return err
	}
	defer c.CloseLasting()
	if err := change(c, held); err != nil {
		return err
	}
	if err := c.Flush(); err != nil {
		return fmt.Errorf("change bans: %w", err)
	}
	return nil
}

// Bans are those in force, in the order of their addresses. Without a table of
// ours there are none.
func (a *Applier) Bans(ctx context.Context) ([]Ban, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.bans(ctx)
}

func (a *Applier) bans(ctx context.Context) ([]Ban, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	c, err := connect()
	if err != nil {
		return nil, err
	}
	defer c.CloseLasting()
	if held, err := hasDynamic(c); err != nil || !held {
		return nil, err
	}
	var out []Ban
	now := time.Now()
	for _, f := range []family{ipv4, ipv6} {
		for _, name := range []string{bannedHosts, bannedNetworks} {
			elements, err := c.GetSetElements(timedSet(name, f, name == bannedNetworks).kernel(dynamicNFTable()))
			if err != nil {
				return nil, fmt.Errorf("read bans: %w", err)
			}
			out = append(out, readBans(elements, f, name == bannedNetworks, now)...)
		}
	}
	slices.SortFunc(out, func(a, b Ban) int { return a.Source.Addr().Compare(b.Source.Addr()) })
	return out, nil
}

// readBans turns elements into bans. The kernel lists an interval as two keys,
// in any order.
func readBans(elements []nftables.SetElement, f family, networks bool, now time.Time) []Ban {
	slices.SortFunc(elements, func(a, b nftables.SetElement) int { return slices.Compare(a.Key, b.Key) })
	var out []Ban
	for i, e := range elements {
		if e.IntervalEnd {
			continue
		}
		first, _ := netip.AddrFromSlice(e.Key)
		b := Ban{Source: netip.PrefixFrom(first, hostBits(f)), Reason: e.Comment, Until: now.Add(e.Expires).Round(time.Second)}
		b.Since = b.Until.Add(-e.Timeout)
		if e.Counter != nil {
			b.Packets = e.Counter.Packets
		}
		if networks {
			last := lastOf(netip.PrefixFrom(first, 0))
			if i+1 < len(elements) {
				if end, ok := netip.AddrFromSlice(elements[i+1].Key); ok {
					last = end.Prev()
				}
			}
			b.Source, _ = span{first, last}.prefix()
		}
		out = append(out, b)
	}
	return out
}

func connect() (*nftables.Conn, error) {
	c, err := nftables.New(nftables.AsLasting())
	if err != nil {
		return nil, fmt.Errorf("open nf_tables: %w", err)
	}
	return c, nil
}

func hasDynamic(c *nftables.Conn) (bool, error) {
	tables, err := c.ListTablesOfFamily(nftables.TableFamilyINet)
	if err != nil {
		return false, fmt.Errorf("list tables: %w", err)
	}
	return slices.ContainsFunc(tables, func(t *nftables.Table) bool { return t.Name == dynamicTable }), nil
}

func dynamicNFTable() *nftables.Table {
	return &nftables.Table{Name: dynamicTable, Family: nftables.TableFamilyINet}
}

// banSet is the set that a source belongs in.
func banSet(p netip.Prefix) *nftables.Set {
	f := familyOf(p.Addr())
	name, wide := bannedHosts, p.Bits() < hostBits(f)
	if wide {
		name = bannedNetworks
	}
	return timedSet(name, f, wide).kernel(dynamicNFTable())
}

func banElements(p netip.Prefix, d time.Duration, reason string) []nftables.SetElement {
	out := []nftables.SetElement{{Key: p.Addr().AsSlice(), Timeout: d, Comment: reason}}
	if p.Bits() < hostBits(familyOf(p.Addr())) {
		if end, ok := after(lastOf(p).AsSlice()); ok {
			out = append(out, nftables.SetElement{Key: end, IntervalEnd: true})
		}
	}
	return out
}

// Spare keeps the key exchange and ESP of connected peers out of every ban for
// some time. It is for peers whose address no policy knows.
func (a *Applier) Spare(ctx context.Context, peers []netip.Addr, d time.Duration) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	c, err := connect()
	if err != nil {
		return err
	}
	defer c.CloseLasting()
	if held, err := hasDynamic(c); err != nil || !held || ctx.Err() != nil {
		return errors.Join(err, ctx.Err())
	}
	for _, f := range []family{ipv4, ipv6} {
		k := timedSet(establishedPeers, f, false).kernel(dynamicNFTable())
		var elements []nftables.SetElement
		for _, p := range peers {
			if familyOf(p) == f {
				elements = append(elements, nftables.SetElement{Key: p.AsSlice(), Timeout: d})
			}
		}
		c.FlushSet(k)
		if err := c.SetAddElements(k, elements); err != nil {
			return err
		}
	}
	if err := c.Flush(); err != nil {
		return fmt.Errorf("spare peers: %w", err)
	}
	return nil
}
