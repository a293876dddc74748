// Package firewall turns a Policy into nftables and keeps the kernel to it.
//
// Compile is pure: Policy -> Ruleset, which prints as nft text for golden
// tests, the review page and bug reports. Apply is thin: it replaces the table
// "gatehouse" whole in one netlink batch and verifies what the kernel holds.
// What must survive an apply lives in the table "gatehouse_dyn": banned sources,
// and how many connections each source on wan begins and has. No other table is
// read, changed or removed.
//
// The table, in the order a packet meets it:
//
//	bans, limits      (gatehouse_dyn) what is banned, and too much of one source
//	prerouting (raw)  by device: a source that cannot be there is dropped as
//	                  spoof-<zone> or bogon before it costs a conntrack entry
//	                  (RFC 3704, RFC 6890)
//	syn_...           a flood of SYNs to forwards is answered here; see synProxy
//	segment_size      TCP through the tunnel keeps to its MTU
//	input             established, Neighbor Discovery, the admin's ports from
//	                  the lan, DHCP, IKE and ESP from peers, then rules, then pings
//	                  (RFC 4890), then default
//	established       of forward: TCP and UDP between interfaces goes to the fast
//	                  path, and then meets none of these chains until the next apply
//	forward           established, then one look-up of both devices, the zone
//	                  pair's rules in order, then its default
//	leaving           what is for a tunnel's network goes by the tunnel or not
//	                  at all, forwarded or the gateway's own
//	source_nat        IPv4 of the lan behind the wan device
//
// Every chain do_<rule ID>_<action> counts, reports to nflog within a rate
// limit, and carries the action out. A chain within_<rule ID> holds a rule to its
// limit. Chains into_<zone> and outof_<zone> tell the zones behind the tunnel apart
// by address. Output is not filtered but by "leaving".
//
// The package knows nothing of the store, of IPsec or of links: it takes plain
// typed input and gives back plain typed status.
package firewall
