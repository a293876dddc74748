package xfrm

import (
	"errors"
	"slices"

	"gatehouse/ipsec/sad"
)

// Linux 6.13 and later let a processor have an outbound SA of its own (RFC 9611): the
// kernel takes, of the SAs that fit a policy's template, that of the processor it runs
// on, else one without. The template names no SPI then.

// errNoCPU is said by older kernels.
var errNoCPU = errors.New("this kernel has no SAs of one processor: Linux 6.13 and later have")

// spread says whether a policy has SAs of processors for one of its needs.
func (p *Plane) spread(pol sad.Policy, serves func(sad.SA) bool) bool {
	return slices.ContainsFunc(p.sas, func(s *installed) bool {
		return s.Policy == pol.ID && s.CPU != nil && serves(s.SA)
	})
}
