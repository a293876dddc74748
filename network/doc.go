// Package network brings links, addresses and routes to the state that a
// Config describes, by netlink, and reports what is there.
//
// Apply is declarative and idempotent: it adds what is missing, removes what
// an earlier Apply added and the Config no longer has, and leaves everything
// that other software put there (routes of another protocol number, addresses
// on devices the Config does not name).
package network
