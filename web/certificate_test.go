package web

import (
	"bytes"
	"crypto/x509"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestTheCertificateIsMadeOnceAndKept(t *testing.T) {
	dir := t.TempDir()
	first, err := LoadOrCreateCertificate(dir, []string{"gatehouse", "localhost"}, []net.IP{net.IPv4(10, 1, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(first.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"localhost", "10.1.0.1"} {
		if err := leaf.VerifyHostname(name); err != nil {
			t.Error(err)
		}
	}
	if leaf.IsCA || time.Until(leaf.NotAfter) > 825*24*time.Hour {
		t.Errorf("CA %v, until %v", leaf.IsCA, leaf.NotAfter)
	}
	for _, f := range []string{"page.crt", "page.key"} {
		info, err := os.Stat(filepath.Join(dir, f))
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v %v", f, info.Mode(), err)
		}
	}
	second, err := LoadOrCreateCertificate(dir, []string{"other"}, nil)
	if err != nil || !bytes.Equal(first.Certificate[0], second.Certificate[0]) {
		t.Errorf("a second start made another certificate (%v)", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "page.crt"), []byte("damaged"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := LoadOrCreateCertificate(dir, []string{"other"}, nil); err == nil {
		t.Error("a damaged certificate was passed over")
	}
}
