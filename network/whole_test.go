package network

import (
	"errors"
	"fmt"
	"testing"

	"github.com/vishvananda/netlink"
)

func TestAListThatChangesMeanwhileIsReadAgain(t *testing.T) {
	other := errors.New("another error")
	for _, row := range []struct {
		name  string
		fails int // times, before it is whole
		with  error
		asked int
		ok    bool
	}{
		{"whole at once", 0, nil, 1, true},
		{"interrupted three times", 3, fmt.Errorf("list: %w", netlink.ErrDumpInterrupted), 4, true},
		{"never whole", 1000, netlink.ErrDumpInterrupted, mostTries, false},
		{"another error", 1000, other, 1, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			asked := 0
			got, err := whole(func() (int, error) {
				if asked++; asked <= row.fails {
					return 0, row.with
				}
				return 7, nil
			})
			if asked != row.asked || (err == nil) != row.ok || row.ok && got != 7 {
				t.Errorf("asked %d times: %d, %v", asked, got, err)
			}
		})
	}
}
