package crypto

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/subtle"
)

// blockMAC is a CBC-MAC whose last block is masked: AES-XCBC-MAC (RFC 3566) and
// AES-CMAC (RFC 4493) differ only in where key and masks come from.
type blockMAC struct {
	block cipher.Block
	// full masks a last block that is whole, padded one that was filled up.
	full, padded [aes.BlockSize]byte

	state [aes.BlockSize]byte
	// rest is up to one whole block, kept back because it may be the last.
	rest []byte
}

// newXCBC takes a key of 16 bytes; its three keys are those of RFC 3566
// section 4.
func newXCBC(key []byte) *blockMAC {
	b := mustAES(key)
	m := &blockMAC{}
	var k1 [aes.BlockSize]byte
	for i, k := range [][]byte{k1[:], m.full[:], m.padded[:]} {
		b.Encrypt(k, bytes.Repeat([]byte{byte(i + 1)}, aes.BlockSize))
	}
	m.block = mustAES(k1[:])
	return m
}

// newCMAC takes a key of 16 bytes; its subkeys are those of RFC 4493 section
// 2.3.
func newCMAC(key []byte) *blockMAC {
	m := &blockMAC{block: mustAES(key)}
	m.block.Encrypt(m.full[:], m.full[:])
	double(&m.full)
	m.padded = m.full
	double(&m.padded)
	return m
}

// double multiplies by x in GF(2^128).
func double(b *[aes.BlockSize]byte) {
	carry := b[0] >> 7
	for i := range b {
		b[i] <<= 1
		if i+1 < len(b) {
			b[i] |= b[i+1] >> 7
		}
	}
	b[len(b)-1] ^= 0x87 & -carry
}

func mustAES(key []byte) cipher.Block {
	b, err := aes.NewCipher(key)
	if err != nil {
		panic(err) // the callers fit their keys
	}
	return b
}

func (m *blockMAC) Write(b []byte) (int, error) {
	m.rest = append(m.rest, b...)
	for len(m.rest) > aes.BlockSize {
		m.absorb(m.rest[:aes.BlockSize])
		m.rest = m.rest[aes.BlockSize:]
	}
	return len(b), nil
}

func (m *blockMAC) absorb(block []byte) {
	subtle.XORBytes(m.state[:], m.state[:], block)
	m.block.Encrypt(m.state[:], m.state[:])
}

// Sum ends the MAC; nothing may be written afterwards.
func (m *blockMAC) Sum(out []byte) []byte {
	last, mask := m.rest, m.full
	if len(last) < aes.BlockSize {
		last = append(append(make([]byte, 0, aes.BlockSize), last...), 0x80)
		last, mask = last[:aes.BlockSize], m.padded
	}
	subtle.XORBytes(mask[:], mask[:], last)
	m.absorb(mask[:])
	return append(out, m.state[:]...)
}
