//go:build !guest

package firewall

import "time"

// patience is how long a packet may take that should arrive, and so how long
// a test waits for one that should not.
const patience = 400 * time.Millisecond
