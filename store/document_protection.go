package store

import "net/netip"

// Guards are the guards of the zone wan that no rule has to ask for. Left
// out, all of them are on; 0 stands for the usual number.
type Guards struct {
	// BogonsOff accepts sources from the internet that cannot be there: blocks
	// for private and special purposes (RFC 6890). Blocks that an interface of
	// the zone wan or a peer is in are accepted anyway.
	BogonsOff bool `json:"bogons_off,omitempty"`
	// BogonExceptions are networks that are accepted although they are special.
	BogonExceptions []netip.Prefix `json:"bogon_exceptions,omitempty"`
	// Ping4 lets strangers ping this gateway over IPv4.
	Ping4 bool `json:"ping4,omitempty"`
	// Ping6Off refuses their pings over IPv6, to this gateway and to what is
	// behind it, which RFC 4890 says should pass.
	Ping6Off bool `json:"ping6_off,omitempty"`
	// LimitsOff lets each source on the internet open connections without bounds.
	LimitsOff bool `json:"limits_off,omitempty"`
	// NewPerSecond is how many connections one source may begin in a second,
	// 1 to 100000, and NewBurst how many more at once; 0 means 200 and 1000.
	NewPerSecond int `json:"new_per_second,omitempty" jsonschema:"minimum=0,maximum=100000"`
	NewBurst     int `json:"new_burst,omitempty" jsonschema:"minimum=0,maximum=100000"`
	// Open is how many connections one source may have open, 1 to 1000000; 0
	// means 4000.
	Open int `json:"open,omitempty" jsonschema:"minimum=0,maximum=1000000"`
	// SYNProxyOff leads SYNs to port forwards straight inside, also those of a
	// flood. Otherwise the gateway answers them itself when there are more than 50
	// in a second, and lets in who is really there.
	SYNProxyOff bool `json:"syn_proxy_off,omitempty"`
	// BansOff lets strangers guess passwords and keys as long as they like.
	BansOff bool `json:"bans_off,omitempty"`
	// BanAfter is how many failures in ten minutes lead to a ban, 3 to 1000; 0
	// means 10.
	BanAfter int `json:"ban_after,omitempty" jsonschema:"minimum=0,maximum=1000"`
	// BanMinutes is how long the first ban lasts, 1 to 1440; each further one of
	// the same source twice as long, up to a day. 0 means 10.
	BanMinutes int `json:"ban_minutes,omitempty" jsonschema:"minimum=0,maximum=1440"`
	// NeverBanned are networks that are not banned, whatever fails from there.
	NeverBanned []netip.Prefix `json:"never_banned,omitempty"`
}

// How the source of a packet must relate to the port it came by (RFC 3704).
const (
	ReversePathStrict = "strict" // answers leave by the same port
	ReversePathLoose  = "loose"  // there is a way for answers
	ReversePathOff    = "off"
)
