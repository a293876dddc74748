package web

import (
	"context"
	"net/netip"
	"time"

	"gatehouse/store"
)

// Gateway is what the pages need of the running gateway.
type Gateway interface {
	Banner
	// Status is a snapshot; it asks the kernel, so once for a page at most.
	Status() Status
	// Brief is the part of it that every page and heartbeat needs.
	Brief() Brief
	// Review says what applying the draft would do, asked for by who comes from
	// client and uses the page at server. It touches nothing.
	Review(ctx context.Context, client, server netip.Addr) (Review, error)
	// Begin freezes the draft as a revision and carries it out in a moment,
	// after the answer to who asked. Status tells how it goes: nothing is
	// half-applied. It refuses while another change is on trial.
	Begin(ctx context.Context, o Order) error
	// Confirm keeps the revision that is on trial.
	Confirm(ctx context.Context, revision int64, by string) error
	// TakeBack ends the trial and brings back what was in force before.
	TakeBack(ctx context.Context, by string) error
	// Reconnect closes a branch's tunnel and starts it again.
	Reconnect(ctx context.Context, branch string) error
	// Trace answers what would become of a connection; a store.ValidationError
	// names what of the question is not understood.
	Trace(ctx context.Context, q Question) (Answer, error)
	// FirewallText is the whole of the rules as nft text, those in force or those
	// of the draft.
	FirewallText(ctx context.Context, draft bool) (string, error)
	// Counted is how much each rule of the firewall decided, by its name.
	Counted(ctx context.Context) (map[string]store.RuleCounter, error)
	databaseReader
	packetReader
	flowReader
	listKeeper
}

// Review is the draft beside what is in force.
type Review struct {
	// Firewall is the difference of the rules, as nft text.
	Firewall []DiffLine
	// Risks are sentences about how the change could cut off who reviews it.
	Risks []string
	// Notes are sentences about what in the draft is without effect.
	Notes []string
}

// DiffLine is one line of a difference with its mark. Kind is added, removed
// or empty.
type DiffLine struct{ Kind, Text string }

// Order asks for the draft to be applied.
type Order struct {
	Author, Message string
	// Window is how long the revision is on trial; zero confirms it at once.
	Window time.Duration
}

// Trial is how the last apply goes. A revision on trial is in force; unless it
// is confirmed before Deadline, the one before comes back.
type Trial struct {
	Beginning bool      `json:"beginning,omitempty"` // being carried out
	Revision  int64     `json:"revision,omitempty"`  // on trial; 0 for none
	Author    string    `json:"author,omitempty"`
	Since     time.Time `json:"since,omitzero"`
	Deadline  time.Time `json:"deadline,omitzero"`
	// Addresses are URLs at which the page is reached on trial.
	Addresses []string `json:"addresses,omitempty"`
	// Outcome is a sentence about the last change if it did not stay.
	Outcome string `json:"outcome,omitempty"`
}

// Brief is what a Status says without asking the kernel.
type Brief struct {
	Name     string
	Revision int64
	Trial    Trial
}

// Status is the state of the gateway at one moment.
type Status struct {
	Name    string    `json:"name"`             // host name
	Version string    `json:"version"`          // of the binary
	Started time.Time `json:"started,omitzero"` // of this process
	// Dataplane is "kernel" or "userspace"; DataplaneWhy is the sentence that
	// says why it was chosen.
	Dataplane    string `json:"dataplane"`
	DataplaneWhy string `json:"dataplane_why"`
	Revision     int64  `json:"revision"` // in force; 0 for none
	Trial        Trial  `json:"trial,omitzero"`
	// Notice is a sentence about something wrong with the gateway itself; empty
	// most of the time.
	Notice string `json:"notice,omitempty"`
	// Offload is the fast path of established connections.
	Offload Offload `json:"flow_offload"`
	// Blocked counts packets that the perimeter dropped or rejected so far, also
	// before a restart.
	Blocked    uint64      `json:"blocked"`
	Interfaces []Interface `json:"interfaces"`
	Tunnels    []Tunnel    `json:"tunnels"`
	// ManualSAs are those keyed by hand that are in force.
	ManualSAs []ManualSA `json:"manual_sas,omitempty"`
}

// Offload is how the kernel's fast path for established connections is.
type Offload struct {
	InUse bool `json:"in_use"`
	// State says it in words, and why not if it is not in use.
	State string `json:"state"`
}

// Interface is one port as the kernel sees it.
type Interface struct {
	Name      string   `json:"name"`
	Device    string   `json:"device"`
	Zone      string   `json:"zone"`
	Up        bool     `json:"up"`
	Addresses []string `json:"addresses"`
	RxBytes   uint64   `json:"rx_bytes"`
	TxBytes   uint64   `json:"tx_bytes"`
}

// TunnelState is one word for a tunnel.
type TunnelState string

// The states.
const (
	TunnelUp         TunnelState = "up"
	TunnelConnecting TunnelState = "connecting"
	TunnelWaiting    TunnelState = "waiting" // for the other side to call
	TunnelDown       TunnelState = "down"    // failed; Problem says why
	TunnelOff        TunnelState = "off"     // disabled
)

// Tunnel is the live state of one branch's connection, from the IKE state
// itself.
type Tunnel struct {
	Branch string      `json:"branch"`
	State  TunnelState `json:"state"`
	Since  time.Time   `json:"since,omitzero"` // of State
	// Local and Remote are outer addresses with ports.
	Local    string `json:"local"`
	Remote   string `json:"remote"`
	NAT      bool   `json:"nat"`
	RemoteID string `json:"remote_id"`
	// IKESuite and ESPSuite are names such as aes256gcm16-x25519.
	IKESuite    string    `json:"ike_suite"`
	ESPSuite    string    `json:"esp_suite"`
	SPIIn       string    `json:"spi_in"`
	SPIOut      string    `json:"spi_out"`
	BytesIn     uint64    `json:"bytes_in"`
	BytesOut    uint64    `json:"bytes_out"`
	PacketsIn   uint64    `json:"packets_in"`
	PacketsOut  uint64    `json:"packets_out"`
	Rekeys      int       `json:"rekeys"`
	LastInbound time.Time `json:"last_inbound,omitzero"` // zero if nothing came yet
	LocalNets   []string  `json:"local_nets"`
	RemoteNets  []string  `json:"remote_nets"`
	// Children are its pairs of SAs; ESPSuite, SPIIn and SPIOut are of the first
	// that is up.
	Children []TunnelChild `json:"children,omitempty"`
	// Problem is nil or why the tunnel is not up (or not whole).
	Problem *Problem `json:"problem,omitempty"`
}

// TunnelChild is one pair of SAs of a tunnel.
type TunnelChild struct {
	Name     string `json:"name"`
	Up       bool   `json:"up"`
	Protocol string `json:"protocol"` // ESP or AH
	Mode     string `json:"mode"`     // tunnel or transport
	Suite    string `json:"suite"`
	// ESN says that sequence numbers have 64 bits.
	ESN        bool     `json:"esn"`
	SPIIn      string   `json:"spi_in"`
	SPIOut     string   `json:"spi_out"`
	LocalNets  []string `json:"local_nets"`
	RemoteNets []string `json:"remote_nets"`
}

// Problem is a typed failure, told to a person.
type Problem struct {
	Code   string `json:"code"` // as in ipsec/ike: wrong_key, no_answer, ...
	ByPeer bool   `json:"by_peer"`
	// Ours and Theirs hold both sides of a mismatch, side by side.
	Ours   []string  `json:"ours"`
	Theirs []string  `json:"theirs"`
	Detail string    `json:"detail"` // technical, small and grey
	At     time.Time `json:"at,omitzero"`
}
