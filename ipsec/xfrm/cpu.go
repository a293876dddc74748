package xfrm

import (
	"errors"
	"slices"

	"gatehouse/ipsec/sad"
)

// Newer kernels (Debian 13's, not Debian 12's) let a processor have an outbound SA of
// its own (RFC 9611): of the SAs that fit a policy's template they take that of the
// processor they run on, else one without. The template names no SPI then.

// errNoCPU is about older ones.
var errNoCPU = errors.New("this kernel has no SAs of one processor")

// spread says whether a policy has SAs of processors for one of its needs.
func (p *Plane) spread(pol sad.Policy, serves func(sad.SA) bool) bool {
	return slices.ContainsFunc(p.sas, func(s *installed) bool {
		return s.Policy == pol.ID && s.CPU != nil && serves(s.SA)
	})
}
