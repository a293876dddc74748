#!/usr/bin/env python3
"""Makes packets.txt: whole IP packets of ESP and AH, one a line, put together by
the RFCs with OpenSSL (through the library cryptography), so that the engine can be
compared with code that shares nothing with it. Run it as packets.py > packets.txt.

A line has: protocol, suite, sequence number, whether that is extended, the key of
encryption with its salt, that of integrity, the IV that is injected ("-" where the
sequence number is the IV), the packet inside, and the packet that is sent."""
import hashlib, hmac, struct
from cryptography.hazmat.decrepit.ciphers import algorithms as old
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESCCM, AESGCM, ChaCha20Poly1305

SPI, IDENT = 0x1234ABCD, 0x4321
LOCAL4, REMOTE4 = bytes([192, 0, 2, 1]), bytes([192, 0, 2, 2])
LOCAL6 = bytes.fromhex("20010db8" + "00" * 11 + "01")
REMOTE6 = bytes.fromhex("20010db8" + "00" * 11 + "02")
ICV = {"md5": 12, "sha1": 12, "sha256": 16, "sha384": 24, "sha512": 32}
KEYS = {"md5": 16, "sha1": 20, "sha256": 32, "sha384": 48, "sha512": 64}


def count(first, n):
    return bytes((first + 11 * i) % 256 for i in range(n))


def outer4(protocol, length):
    h = struct.pack(">BBHHHBBH", 0x45, 0, 20 + length, IDENT, 0, 64, protocol, 0) + LOCAL4 + REMOTE4
    s = sum(struct.unpack(">10H", h))
    s = (s & 0xFFFF) + (s >> 16)
    s = (s & 0xFFFF) + (s >> 16)
    return h[:10] + struct.pack(">H", 0xFFFF - s) + h[12:]


def outer6(protocol, length):
    return struct.pack(">IHBB", 6 << 28, length, protocol, 64) + LOCAL6 + REMOTE6


# The packet inside: UDP over IPv4, with a body that no block divides.
INNER = bytes.fromhex("4500002b00000000401100000a0100050a020009" + "045708ae00170000") + b"Gatehouse tests"


def pad(block):
    n = -(len(INNER) + 2) % block
    return INNER + bytes(range(1, n + 1)) + bytes([n, 4])


def cbc(make, key, iv, text):
    e = Cipher(make(key), modes.CBC(iv)).encryptor()
    return e.update(text) + e.finalize()


CBC = {"aes128": (algorithms.AES, 16, 16), "aes192": (algorithms.AES, 24, 16), "aes256": (algorithms.AES, 32, 16),
       "3des": (old.TripleDES, 24, 8), "des": (lambda k: old.TripleDES(k * 3), 8, 8),
       "blowfish128": (old.Blowfish, 16, 8), "cast128": (old.CAST5, 16, 8)}


def esp(suite, seq, esn):
    head = struct.pack(">II", SPI, seq & 0xFFFFFFFF)
    high = struct.pack(">I", seq >> 32)
    aad = head[:4] + high + head[4:] if esn else head
    iv8, iv, ikey = struct.pack(">Q", seq), "-", b""
    name, _, digest = suite.partition("-")
    if name.endswith("gmac"):
        key = count(1, int(name[3:6]) // 8 + 4)
        body = iv8 + pad(4)
        body += AESGCM(key[:-4]).encrypt(key[-4:] + iv8, b"", aad + body)
    elif name.endswith("gcm16"):
        key = count(1, int(name[3:6]) // 8 + 4)
        body = iv8 + AESGCM(key[:-4]).encrypt(key[-4:] + iv8, pad(4), aad)
    elif name.endswith("ccm16"):
        key = count(1, int(name[3:6]) // 8 + 3)
        body = iv8 + AESCCM(key[:-3], 16).encrypt(key[-3:] + iv8, pad(4), aad)
    elif name == "chacha20poly1305":
        key = count(1, 36)
        body = iv8 + ChaCha20Poly1305(key[:-4]).encrypt(key[-4:] + iv8, pad(4), aad)
    else:
        if name == "null":
            key, body = b"", pad(4)
        elif name.endswith("ctr"):
            key = count(1, int(name[3:6]) // 8 + 4)
            e = Cipher(algorithms.AES(key[:-4]), modes.CTR(key[-4:] + iv8 + bytes([0, 0, 0, 1]))).encryptor()
            body = iv8 + e.update(pad(4))
        else:
            make, size, block = CBC[name]
            key, iv = count(1, size), count(200, block)
            body = iv + cbc(make, key, iv, pad(block))
        ikey = count(99, KEYS[digest])
        body += hmac.new(ikey, head + body + (high if esn else b""), digest).digest()[: ICV[digest]]
    packet = outer4(50, len(head + body)) + head + body
    line("esp", suite, seq, esn, key, ikey, iv, packet)


def ah(suite, seq, esn, six):
    high = struct.pack(">I", seq >> 32) if esn else b""
    field = 24 if suite.endswith("gmac") else ICV[suite]
    align = 8 if six else 4
    size = -(-(12 + field) // align) * align
    head = struct.pack(">BBHII", 4, size // 4 - 2, 0, SPI, seq & 0xFFFFFFFF)
    outer = (outer6 if six else outer4)(51, size + len(INNER))
    # What routers may change is zero: hop limit and checksum; the rest is zero anyway.
    still = outer[:7] + b"\0" + outer[8:] if six else outer[:8] + b"\0" + outer[9:10] + b"\0\0" + outer[12:]
    covered = still + head + bytes(size - 12) + INNER + high
    if suite.endswith("gmac"):
        key = count(99, int(suite[3:6]) // 8 + 4)
        iv = struct.pack(">Q", seq)
        icv = iv + AESGCM(key[:-4]).encrypt(key[-4:] + iv, b"", covered)
    else:
        key = count(99, KEYS[suite])
        icv = hmac.new(key, covered, suite).digest()[:field]
    line("ah", suite, seq, esn, b"", key, "-", outer + head + icv.ljust(size - 12, b"\0") + INNER)


def line(protocol, suite, seq, esn, key, ikey, iv, packet):
    iv = iv if iv == "-" else iv.hex()
    print(protocol, suite, seq, int(esn), key.hex() or "-", ikey.hex() or "-", iv, INNER.hex(), packet.hex())


for esn, seq in ((False, 42), (True, 5 << 32 | 9)):
    for suite in ("aes128gcm16 aes192gcm16 aes256gcm16 chacha20poly1305 aes128ccm16 aes256ccm16 aes128gmac aes256gmac "
                  "aes128ctr-sha256 aes256ctr-sha256 aes128-sha256 aes192-sha384 aes256-sha512 aes128-sha1 aes128-md5 "
                  "3des-sha1 des-md5 blowfish128-sha1 cast128-sha256 "
                  "null-md5 null-sha1 null-sha256 null-sha384 null-sha512").split():
        esp(suite, seq, esn)
    for six in (False, True):
        for suite in "md5 sha1 sha256 sha384 sha512 aes128gmac aes192gmac aes256gmac".split():
            ah(suite, seq, esn, six)
