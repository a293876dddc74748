// Package wycheproof holds the test vectors of Project Wycheproof for the
// primitives that IPsec is made of here, and reads them: edge cases of arithmetic
// and of lengths, and forgeries that must not pass. The tests of ipsec/crypto and
// ipsec/esp run them through their own functions. testdata/README.md says where
// the vectors come from. The package never ships.
package wycheproof
