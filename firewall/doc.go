// Package firewall turns a Policy into nftables and keeps the kernel to it.
//
// Compile is pure: Policy -> Ruleset, which prints as nft text for golden
// tests, the review page and bug reports. Apply is thin: it replaces the table
// "gatehouse" whole in one netlink batch and verifies what the kernel holds.
// What must survive an apply lives in the table "gatehouse_dyn". No other
// table is read, changed or removed.
//
// The table, in the order a packet meets it:
//
//	prerouting (raw)  by device: a source that cannot be there is dropped as
//	                  spoof-<zone> before it costs a conntrack entry (RFC 3704)
//	segment_size      TCP through the tunnel keeps to its MTU
//	input             established, Neighbor Discovery, the admin's ports from
//	                  the lan, IKE and ESP from peers, then rules, then default
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
