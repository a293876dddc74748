package main

import (
	"path/filepath"
	"testing"
)

func TestTraceSaysWhoDecides(t *testing.T) {
	run := shell(t, filepath.Join(t.TempDir(), "data"))
	run(officeText(t), "Not applied yet", "config", "import", "-")
	run("", "nothing is in force yet", "trace", "10.1.0.5", "198.51.100.80", "tcp", "443")
	run("", "in force at its next start", "apply")
	run("", "It is allowed, by what the zones may do (from lan to wan).", "trace", "10.1.0.5", "198.51.100.80", "tcp", "443")
	run("", "It is rejected, by no-mail-from-office (from lan to wan).", "trace", "10.1.0.5", "198.51.100.80", "tcp", "25")
	run("", "It is allowed, by what the zones may do (from lan to vpn).", "trace", "10.1.0.5", "10.2.0.5", "icmp")
	run("", "It is dropped", "trace", "192.0.2.1", "203.0.113.2", "tcp", "80")
	run("", "It is allowed, by admin-access (from lan to gateway).", "trace", "10.1.0.5", "10.1.0.1", "tcp", "8443")
	run("", "It is allowed, by admin-access (from lan to gateway).", "trace", "10.1.0.5", "10.1.0.1", "tcp", "443", "--listen", ":443")
	run("", "It is dropped", "trace", "10.1.0.5", "10.1.0.1", "tcp", "443")
	run(`{"name":"web","enabled":true,"protocol":"tcp","ports":{"first":80,"last":80},"to":"10.1.0.9","to_port":8080}`,
		"is saved", "object", "put", "forwards")
	run("", "It is led to 10.1.0.9:8080.\nIt is allowed, by web (from wan to lan).", "trace", "--draft", "192.0.2.1", "203.0.113.2", "tcp", "80")
	run("", "It is dropped", "trace", "192.0.2.1", "203.0.113.2", "tcp", "80")
	for want, args := range map[string][]string{
		`source: "x" is not`: {"x", "10.0.0.1", "tcp", "1"}, "must both be IPv4": {"10.0.0.1", "::1", "tcp", "1"},
		"protocol": {"10.0.0.1", "10.0.0.2", "tpc", "1"}, "need a port": {"10.0.0.1", "10.0.0.2", "tcp"}, "port:": {"10.0.0.1", "10.0.0.2", "udp", "0"},
	} {
		run("", want, append([]string{"trace"}, args...)...)
	}
}
