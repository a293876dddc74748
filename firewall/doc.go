// Package firewall turns a Policy into nftables and keeps the kernel to it.
//
// Compile is pure: Policy -> Ruleset, which prints as nft text for golden
// tests, the review page and bug reports. Apply is thin: it replaces the table
// "gatehouse" whole in one netlink batch and verifies what the kernel holds.
// What must survive an apply lives in the table "gatehouse_dyn". No other
// table is read, changed or removed.
//
// The package knows nothing of the store, of IPsec or of links: it takes plain
// typed input and gives back plain typed status.
package firewall
