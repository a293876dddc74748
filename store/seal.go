package store

import (
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/crypto/chacha20poly1305"
)

// sealer seals secrets with XChaCha20-Poly1305 under the device key. Its
// nonces are long enough to be random.
type sealer struct {
	aead   cipher.AEAD
	tags   []byte // key of tag
	chains []byte // key of chain
}

// openSealer reads the device key, or makes one if there is none.
func openSealer(path string) (*sealer, error) {
	key, err := readKey(path)
	if errors.Is(err, os.ErrNotExist) {
		key, err = makeKey(path)
		if errors.Is(err, os.ErrExist) {
			key, err = readKey(path) // another process was first
		}
	}
	if err != nil {
		return nil, fmt.Errorf("device key: %w", err)
	}
	aead, err := chacha20poly1305.NewX(key)
	if err != nil {
		return nil, fmt.Errorf("device key %s: %w", path, err)
	}
	tags, err := hkdf.Key(sha256.New, key, nil, "gatehouse tags of objects", sha256.Size)
	if err != nil {
		return nil, fmt.Errorf("device key %s: %w", path, err)
	}
	chains, err := hkdf.Key(sha256.New, key, nil, "gatehouse audit log", sha256.Size)
	if err != nil {
		return nil, fmt.Errorf("device key %s: %w", path, err)
	}
	return &sealer{aead, tags, chains}, nil
}

func readKey(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("%s can be read by others (mode %o); make it 0600", path, info.Mode().Perm())
	}
	key, err := io.ReadAll(io.LimitReader(f, chacha20poly1305.KeySize+1))
	if err != nil {
		return nil, err
	}
	if len(key) != chacha20poly1305.KeySize {
		return nil, fmt.Errorf("%s is damaged: it has %d bytes instead of %d", path, len(key), chacha20poly1305.KeySize)
	}
	return key, nil
}

// makeKey writes the key under another name first, so that no crash leaves
// half a key, and never over one that exists.
func makeKey(path string) ([]byte, error) {
	key := make([]byte, chacha20poly1305.KeySize)
	if _, err := rand.Read(key); err != nil {
		return nil, err
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".device-key-*")
	if err != nil {
		return nil, err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(key)
	if err := errors.Join(err, f.Chmod(0o600), f.Sync(), f.Close()); err != nil {
		return nil, err
	}
	if err := os.Link(f.Name(), path); err != nil {
		return nil, err
	}
	// Secrets sealed with a key whose name a power cut could still take away
	// would be lost.
	return key, syncDirectory(filepath.Dir(path))
}

func syncDirectory(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// tag is a short name of a value that nobody can make without the device key,
// and that tells nothing about secrets in the value.
func (s *sealer) tag(value any) (string, error) {
	text, err := json.Marshal(value)
	if err != nil {
		return "", err
	}
	mac := hmac.New(sha256.New, s.tags)
	mac.Write(text)
	return hex.EncodeToString(mac.Sum(nil)[:16]), nil
}

// seal binds a secret to the name of what it belongs to.
func (s *sealer) seal(name string, plain []byte) ([]byte, error) {
	nonce := make([]byte, s.aead.NonceSize(), s.aead.NonceSize()+len(plain)+s.aead.Overhead())
	if _, err := rand.Read(nonce); err != nil {
		return nil, err
	}
	return s.aead.Seal(nonce, nonce, plain, []byte(name)), nil
}

func (s *sealer) open(name string, sealed []byte) ([]byte, error) {
	n := s.aead.NonceSize()
	if len(sealed) < n {
		return nil, fmt.Errorf("the secret of %s is damaged", name)
	}
	plain, err := s.aead.Open(nil, sealed[:n], sealed[n:], []byte(name))
	if err != nil {
		return nil, fmt.Errorf("the secret of %s cannot be opened with this device key", name)
	}
	return plain, nil
}
