// Package planetest is what the tests of the data planes share: two hosts on one
// wire, each a network namespace with a data plane of its own, and every way in
// which they can protect what goes between them. It never ships.
package planetest
