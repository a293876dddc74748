//go:build guest

package xfrm

import (
	"testing"

	"gatehouse/ipsec/planetest"
	"gatehouse/ipsec/sad"
)

func TestKernelPlanesArePoliciesForWhatTheySay(t *testing.T) {
	for _, name := range []string{"kernel to userspace", "userspace to kernel"} {
		t.Run(name, func(t *testing.T) {
			hosts := planetest.Two(t, pairs()[name])
			for i, l := range planetest.SelectingLinks() {
				t.Run(l.String(), func(t *testing.T) {
					l.Bind(t, hosts, sad.SPI(0x1000*(i+1)), nil)
					for _, s := range planetest.Selectings() {
						t.Run(s.Name, func(t *testing.T) { l.Select(t, hosts, s) })
					}
				})
			}
		})
	}
}
