//go:build guest

package firewall

import "time"

// patience is longer in a guest, whose processor is a program.
const patience = 4 * time.Second
