package web

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"gatehouse/store"
)

// packetReader is the firewall's log: packets that it refused or was told to
// log, the newest ones, in memory.
type packetReader interface {
	// Packets gives the newest that pass the filter, the newest first, at most
	// limit of those numbered below before; 0 means from the newest of all. More
	// says that there are others.
	Packets(f PacketFilter, before uint64, limit int) (found []Packet, more bool)
	// PacketsAfter gives the oldest numbered above after, the oldest first, and
	// where to go on.
	PacketsAfter(f PacketFilter, after uint64, limit int) (found []Packet, last uint64)
	// PacketNews is closed with the first packet numbered above after; nil when
	// the gateway stops.
	PacketNews(after uint64) <-chan struct{}
	// Unreported counts the packets of each rule that were decided since the
	// gateway started but are not in the log: of a flood the kernel reports a part.
	Unreported(ctx context.Context) (map[string]uint64, error)
}

// Packet is one line of the firewall's log. The names are those of the time.
type Packet struct {
	Number uint64    `json:"number"` // grows by one with each
	Time   time.Time `json:"time"`
	// Rule is an admin's rule or forward, or one of the firewall's own IDs.
	Rule   string `json:"rule"`
	Action string `json:"action"` // drop, reject or allow
	// In and Out are devices; empty where the packet has none.
	In   string `json:"in,omitempty"`
	Out  string `json:"out,omitempty"`
	From Party  `json:"from"`
	To   Party  `json:"to"`
	// Protocol is tcp, udp, icmp, esp or a number.
	Protocol string `json:"protocol"`
}

// Party is one end of a packet or connection.
type Party struct {
	Address netip.Addr `json:"address"`
	Port    uint16     `json:"port,omitempty"`
	Name    string     `json:"name,omitempty"` // of the host; empty if it has none
	Zone    string     `json:"zone,omitempty"`
	Branch  string     `json:"branch,omitempty"`  // behind whose tunnel it is
	Country string     `json:"country,omitempty"` // ISO 3166-1, two letters
}

// PacketFilter says what to show; zero fields mean any.
type PacketFilter struct {
	Rule   string
	Zone   string // of either side
	Action string
	Port   uint16 // of either side
	// Network is where one side is; or Host is its name.
	Network netip.Prefix
	Host    string
}

// ParsePacketFilter reads one from a query: rule, zone, action, port, and
// address, which is an address, a network or a host's name.
func ParsePacketFilter(q url.Values) (PacketFilter, error) {
	f := PacketFilter{Rule: q.Get("rule"), Zone: q.Get("zone"), Action: q.Get("action")}
	var found store.ValidationError
	switch f.Action {
	case "", "drop", "reject", "allow":
	default:
		found = append(found, store.FieldError{Field: "action", Code: "choice", Message: "Choose drop, reject or allow."})
	}
	var err error
	if f.Port, err = parsePort(q.Get("port")); err != nil {
		found = append(found, store.FieldError{Field: "port", Code: "range", Message: capital(err.Error()) + "."})
	}
	if f.Network, f.Host, err = parseWhere(q.Get("address")); err != nil {
		found = append(found, store.FieldError{Field: "address", Code: "format", Message: capital(err.Error()) + "."})
	}
	if found != nil {
		return f, found
	}
	return f, nil
}

// parsePort reads one; 0 for none.
func parsePort(text string) (uint16, error) {
	port, err := strconv.ParseUint(cmp.Or(strings.TrimSpace(text), "0"), 10, 16)
	if err != nil || port == 0 && text != "" {
		return 0, errors.New("the port must be a number from 1 to 65535")
	}
	return uint16(port), nil
}

// parseWhere reads an address, a network or a host's name.
func parseWhere(text string) (netip.Prefix, string, error) {
	text = strings.TrimSpace(text)
	if a, err := netip.ParseAddr(text); err == nil && a.Zone() == "" {
		a = a.Unmap()
		return netip.PrefixFrom(a, a.BitLen()), "", nil
	}
	if p, err := netip.ParsePrefix(text); err == nil {
		return p.Masked(), "", nil
	}
	if strings.ContainsAny(text, "/:") || len(text) > 253 {
		return netip.Prefix{}, "", fmt.Errorf("%q is no address, network or name of a host", text)
	}
	return netip.Prefix{}, text, nil
}

// Matches says whether a packet is to be shown.
func (f PacketFilter) Matches(p Packet) bool {
	return (f.Rule == "" || f.Rule == p.Rule) &&
		(f.Zone == "" || f.Zone == p.From.Zone || f.Zone == p.To.Zone) &&
		(f.Action == "" || f.Action == p.Action) &&
		(f.Port == 0 || f.Port == p.From.Port || f.Port == p.To.Port) &&
		(isAt(p.From, f.Network, f.Host) || isAt(p.To, f.Network, f.Host))
}

// isAt says whether a party is in a network and has a name; either may be empty.
// "alice-phone (alice)" answers to its first word too.
func isAt(p Party, network netip.Prefix, host string) bool {
	first, _, _ := strings.Cut(p.Name, " (")
	return (!network.IsValid() || network.Contains(p.Address)) &&
		(host == "" || strings.EqualFold(host, p.Name) || strings.EqualFold(host, first))
}

// Where is the address with its port.
func (p Party) Where() string {
	if !p.Address.IsValid() {
		return "?"
	}
	if p.Port == 0 {
		return p.Address.String()
	}
	return netip.AddrPortFrom(p.Address, p.Port).String()
}

// Asked is the address of the page that says what the rules would do with such
// a packet now; empty if it cannot be asked.
func (p Packet) Asked() string {
	if !p.From.Address.IsValid() || !p.To.Address.IsValid() {
		return ""
	}
	q := url.Values{"source": {p.From.Address.String()}, "destination": {p.To.Address.String()}, "protocol": {p.Protocol}}
	if p.In != "" && p.From.Zone != "" {
		q.Set("from", p.From.Zone) // not where such a source belongs, if it is spoofed
	}
	if p.To.Port != 0 {
		q.Set("port", strconv.Itoa(int(p.To.Port)))
	}
	return "/firewall/trace?" + q.Encode()
}

// ProtocolName is how the pages and the API call an IP protocol (IANA's numbers).
func ProtocolName(number uint8) string {
	switch number {
	case 1, 58:
		return "icmp"
	case 6:
		return "tcp"
	case 17:
		return "udp"
	case 47:
		return "gre"
	case 50:
		return "esp"
	}
	return strconv.Itoa(int(number))
}

// known are ports that say what they are for (IANA's registry).
var known = map[uint16]string{
	20: "FTP data", 21: "FTP", 22: "SSH", 23: "Telnet", 25: "Mail", 53: "DNS", 67: "DHCP", 68: "DHCP", 69: "TFTP", 80: "Web", 110: "POP3",
	111: "RPC", 123: "Time", 135: "Windows RPC", 137: "NetBIOS", 138: "NetBIOS", 139: "NetBIOS", 143: "IMAP", 161: "SNMP", 389: "LDAP",
	443: "Web (TLS)", 445: "Windows shares", 465: "Mail (TLS)", 500: "IPsec", 514: "Syslog", 546: "DHCPv6", 547: "DHCPv6", 587: "Mail (submission)",
	631: "Printing", 853: "DNS over TLS", 993: "IMAP (TLS)", 995: "POP3 (TLS)", 1194: "OpenVPN", 1433: "SQL Server", 1900: "UPnP",
	3306: "MySQL", 3389: "Remote desktop", 4500: "IPsec", 5060: "Telephony (SIP)", 5353: "mDNS", 5432: "PostgreSQL", 5900: "VNC",
	6379: "Redis", 8080: "Web", 8443: "Web (TLS)", 9100: "Printing", 27017: "MongoDB", 51820: "WireGuard",
}

// service is what a connection is for, in words: "Web (TLS), TCP port 443".
func service(protocol string, port uint16) string {
	switch protocol {
	case "tcp", "udp":
		if port == 0 {
			return strings.ToUpper(protocol) + " fragment"
		}
		text := fmt.Sprintf("%s port %d", strings.ToUpper(protocol), port)
		if name := known[port]; name != "" {
			text = name + ", " + text
		}
		return text
	case "icmp":
		return "Ping or ICMP"
	case "gre", "esp":
		return strings.ToUpper(protocol)
	}
	return "IP protocol " + protocol
}

// builtIn are the firewall's own reasons by their IDs.
var builtIn = map[string]string{
	"invalid":         "It belongs to no connection that the gateway knows.",
	"unknown-device":  "It came by a port that is in no zone.",
	"spoof-wan":       "It came from the internet with a source that cannot be there.",
	"spoof-vpn":       "It came out of a tunnel with a source that is not behind it.",
	"spoof-gateway":   "It came from outside with the gateway's own address as its source.",
	"wan-default":     "From the internet, and no rule allows it.",
	"forward-default": "No rule and no default between its zones allows it.",
	"input-default":   "For the gateway itself, and nothing allows it.",
	"leak":            "For a network behind a tunnel, but it would have left without the tunnel.",
	"admin-access":    "The page or SSH, from where they may be used.",
	"ike":             "Key exchange or ESP of a branch.",
	"bogon":           "It came from the internet with a private or special source, which cannot be there.",
	"bogon-out":       "For a private or special network that is not on the internet.",
	"icmp-refused":    "An ICMP message that no gateway passes on.",
	"banned":          "Its source is banned for a while.",
	"flood":           "More connections than one source on the internet may have.",
	"dhcp":            "Addresses for hosts, or for the gateway itself.",
}

// because is why a rule of the firewall's own decided; empty for an admin's.
func because(rule string) string {
	if text, ok := builtIn[rule]; ok {
		return text
	}
	if zone, ok := strings.CutPrefix(rule, "spoof-"); ok {
		return "It came from zone " + zone + " with a source that cannot be there."
	}
	if over, ok := strings.CutPrefix(rule, "over-"); ok {
		return "More than the limit of rule " + over + " lets through."
	}
	if label, ok := strings.CutPrefix(rule, "label-"); ok {
		return "It carries the label " + label + " and would have passed unprotected."
	}
	if zones, ok := strings.CutPrefix(rule, "allowed-"); ok {
		return "The default between its zones allows it (" + zones + ")."
	}
	return ""
}
