package network

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// sysctlRoot is where the kernel shows the settings of this network namespace.
const sysctlRoot = "/proc/sys/net"

// sysctl is one setting, as a path below sysctlRoot.
type sysctl struct{ path, value string }

// write sets it if it is not so already.
func (s sysctl) write() error {
	path := filepath.Join(sysctlRoot, s.path)
	held, err := os.ReadFile(path)
	if err == nil && strings.TrimSpace(string(held)) == s.value {
		return nil
	}
	if err == nil {
		err = os.WriteFile(path, []byte(s.value), 0)
	}
	if err != nil {
		return fmt.Errorf("set %s to %s: %w", s.path, s.value, err)
	}
	return nil
}

// deviceSettings make a port a router's: it believes no router advertisement
// and no redirect, sends none, and leaves the reverse path check to the
// firewall, which counts and logs what it refuses.
func deviceSettings(device string) []sysctl {
	v4, v6 := "ipv4/conf/"+device+"/", "ipv6/conf/"+device+"/"
	return []sysctl{
		{v4 + "accept_redirects", "0"},
		{v4 + "send_redirects", "0"},
		{v4 + "accept_source_route", "0"},
		{v4 + "rp_filter", "0"},
		// Answer ARP only for addresses of the port that was asked.
		{v4 + "arp_ignore", "1"},
		{v6 + "accept_ra", "0"},
		{v6 + "autoconf", "0"},
		{v6 + "accept_redirects", "0"},
		{v6 + "accept_source_route", "0"},
	}
}

func forwarding(on bool) []sysctl {
	value := "0"
	if on {
		value = "1"
	}
	return []sysctl{{"ipv4/ip_forward", value}, {"ipv6/conf/all/forwarding", value}}
}

// tracking makes the kernel count what each connection carries and note when
// it began, for the pages that show it, and take up no TCP connection in its
// middle: one that an admin ended stays so, although the rules would let a new
// one pass.
func tracking() []sysctl {
	return []sysctl{
		{"netfilter/nf_conntrack_acct", "1"},
		{"netfilter/nf_conntrack_timestamp", "1"},
		{"netfilter/nf_conntrack_tcp_loose", "0"},
	}
}

// proxySYN is what nf_synproxy needs of this namespace.
func proxySYN() []sysctl {
	return []sysctl{{"netfilter/nf_conntrack_tcp_loose", "0"}, {"ipv4/tcp_timestamps", "1"}, {"ipv4/tcp_syncookies", "1"}}
}

func writeAll(settings []sysctl) error {
	var errs []error
	for _, s := range settings {
		errs = append(errs, s.write())
	}
	return errors.Join(errs...)
}
