package firewall

import (
	"context"
	"fmt"
)

// Cut ends the connections that the old policy allowed and the new one denies:
// connection tracking would let them run on. All others are left alone, also those
// of which that hangs on what nobody remembers (unsaid). It gives how many there
// were. The new policy must be in force already, or a cut
// connection would begin anew by the old one.
func (a *Applier) Cut(ctx context.Context, old, new Policy) (int, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	before, err := NewDecider(old)
	if err != nil {
		return 0, fmt.Errorf("the policy before: %w", err)
	}
	after, err := NewDecider(new)
	if err != nil {
		return 0, fmt.Errorf("the new policy: %w", err)
	}
	hidden, err := newUnsaid(old, new)
	if err != nil {
		return 0, err
	}
	// A namespace of the calling thread's, like every Apply.
	return EndConnections(ctx, func(c Connection) bool { return hidden.denied(c.Asked(), before, after) })
}
