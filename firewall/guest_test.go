//go:build guest

package firewall

import "time"

// patience is longer in a guest, whose processor is a program.
const patience = time.Second
