package network

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// defaultMetric6 is what the kernel makes of metric 0 for IPv6.
const defaultMetric6 = 1024

// routeKey is what tells our routes apart, as the kernel reports them.
type routeKey struct {
	destination netip.Prefix
	via, source netip.Addr
	link        int
	kind        int
	metric      int
	table       int
}

// routes brings our routes (RouteProtocol) in all tables to want. New
// ones come before old ones go; routes of others are never touched.
func (a *Applier) routes(h *netlink.Handle, want []Route) error {
	held, err := whole(func() ([]netlink.Route, error) {
		return h.RouteListFiltered(netlink.FAMILY_ALL, &netlink.Route{
			Protocol: RouteProtocol, Table: unix.RT_TABLE_UNSPEC,
		}, netlink.RT_FILTER_PROTOCOL|netlink.RT_FILTER_TABLE)
	})
	if err != nil {
		return fmt.Errorf("list routes: %w", err)
	}
	have := map[routeKey]netlink.Route{}
	for _, r := range held {
		have[keyOf(r)] = r
	}
	var errs []error
	wanted := map[routeKey]bool{}
	for _, r := range want {
		route, err := r.forKernel(h)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		key := keyOf(route)
		wanted[key] = true
		if _, ok := have[key]; ok {
			continue
		}
		// Replace, because the kernel knows one route for a destination and
		// metric: changing its next hop must not leave a gap.
		if err := h.RouteReplace(&route); err != nil {
			errs = append(errs, fmt.Errorf("route %s: %w", r, err))
			continue
		}
		a.log.Info("added route", "route", r.String())
	}
	for key, r := range have {
		if wanted[key] || replaced(key, wanted) {
			continue
		}
		if err := h.RouteDel(&r); err != nil && !errors.Is(err, unix.ESRCH) {
			errs = append(errs, fmt.Errorf("remove route to %s: %w", key.destination, err))
			continue
		}
		a.log.Info("removed route", "destination", key.destination.String())
	}
	return errors.Join(errs...)
}

// replaced says whether an IPv4 route with this destination and metric was
// written over. (The kernel keeps IPv6 routes of other next hops beside it.)
func replaced(old routeKey, wanted map[routeKey]bool) bool {
	if !old.destination.Addr().Is4() {
		return false
	}
	for key := range wanted {
		if key.destination == old.destination && key.metric == old.metric && key.table == old.table {
			return true
		}
	}
	return false
}

func (r Route) forKernel(h *netlink.Handle) (netlink.Route, error) {
	out := netlink.Route{
		Dst: ipNet(r.Destination.Masked()), Protocol: RouteProtocol, Table: cmp.Or(r.Table, unix.RT_TABLE_MAIN),
		Priority: r.Metric, Type: unix.RTN_UNICAST, Scope: netlink.SCOPE_UNIVERSE, Family: family(r.Destination),
	}
	if r.Destination.Addr().Is6() && r.Metric == 0 {
		out.Priority = defaultMetric6
	}
	if r.Unreachable {
		out.Type = unix.RTN_UNREACHABLE
		if r.Destination.Addr().Is6() {
			// The kernel hangs IPv6 routes of this kind on the loopback.
			out.LinkIndex = loopback
		}
		return out, nil
	}
	if r.Via.IsValid() {
		out.Gw = r.Via.AsSlice()
	} else {
		out.Scope = netlink.SCOPE_LINK
	}
	if r.Source.IsValid() {
		out.Src = r.Source.AsSlice()
	}
	if r.Device != "" {
		link, err := h.LinkByName(r.Device)
		if err != nil {
			return out, fmt.Errorf("route %s: device %s: %w", r, r.Device, err)
		}
		out.LinkIndex = link.Attrs().Index
		return out, nil
	}
	// Find the device now, so that the kernel's listing can be compared.
	found, err := h.RouteGet(r.Via.AsSlice())
	if err != nil || len(found) == 0 {
		return out, fmt.Errorf("route %s: no way to its next hop: %w", r, err)
	}
	out.LinkIndex = found[0].LinkIndex
	return out, nil
}

// loopback is the index of lo in every namespace.
const loopback = 1

func family(p netip.Prefix) int {
	if p.Addr().Is4() {
		return netlink.FAMILY_V4
	}
	return netlink.FAMILY_V6
}

func keyOf(r netlink.Route) routeKey {
	k := routeKey{link: r.LinkIndex, kind: r.Type, metric: r.Priority, table: r.Table}
	if r.Dst != nil {
		k.destination, _ = prefix(r.Dst)
	}
	if !k.destination.IsValid() {
		// A default route may be listed without a destination.
		zero := netip.IPv4Unspecified()
		if r.Family == netlink.FAMILY_V6 {
			zero = netip.IPv6Unspecified()
		}
		k.destination = netip.PrefixFrom(zero, 0)
	}
	if a, ok := netip.AddrFromSlice(r.Gw); ok {
		k.via = a.Unmap()
	}
	if a, ok := netip.AddrFromSlice(r.Src); ok {
		k.source = a.Unmap()
	}
	return k
}

// String is for errors and logs.
func (r Route) String() string {
	s := r.Destination.String()
	if r.Unreachable {
		return s + " unreachable"
	}
	if r.Via.IsValid() {
		s += " via " + r.Via.String()
	}
	if r.Device != "" {
		s += " dev " + r.Device
	}
	if r.Table != 0 {
		s += fmt.Sprintf(" table %d", r.Table)
	}
	return s
}
