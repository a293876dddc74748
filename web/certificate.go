package web

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// certificateLife is as long as Apple's systems accept for a certificate that
// an admin trusts by hand.
const certificateLife = 825 * 24 * time.Hour

// LoadOrCreateCertificate reads the page's certificate from dir, or makes a
// self-signed one for these names and addresses. Files have mode 0600.
func LoadOrCreateCertificate(dir string, names []string, addrs []net.IP) (tls.Certificate, error) {
	certFile, keyFile := filepath.Join(dir, "page.crt"), filepath.Join(dir, "page.key")
	cert, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err == nil || !errors.Is(err, os.ErrNotExist) {
		if err != nil {
			err = fmt.Errorf("certificate of the page: %w", err)
		}
		return cert, err
	}
	certPEM, keyPEM, err := selfSigned(names, addrs, time.Now())
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("make a certificate for the page: %w", err)
	}
	// The key first: a certificate without its key would stop the next start.
	for _, f := range []struct {
		name string
		text []byte
	}{{keyFile, keyPEM}, {certFile, certPEM}} {
		if err := os.WriteFile(f.name, f.text, 0o600); err != nil {
			return tls.Certificate{}, fmt.Errorf("keep the page's certificate: %w", err)
		}
	}
	return tls.X509KeyPair(certPEM, keyPEM)
}

func selfSigned(names []string, addrs []net.IP, now time.Time) (certPEM, keyPEM []byte, err error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, nil, err
	}
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: "Gatehouse " + names[0]},
		// A router may start with a clock that is behind.
		NotBefore: now.Add(-24 * time.Hour), NotAfter: now.Add(certificateLife),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true, DNSNames: names, IPAddresses: addrs,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, nil, err
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}), nil
}
