package esp

import "encoding/binary"

// flowCache remembers which policy decided about a flow, in front of the SPD,
// whose entries are tried one after another. It belongs to one goroutine.
type flowCache [1 << flowCacheBits]struct {
	// generation is that of the tables for which the entry is good.
	generation uint64
	flow       flow
	policy     *policy
	labels     uint16
}

// flowCacheBits makes room for about as many flows as an office has at once.
const flowCacheBits = 10

// find is tables.lookUp. One cache is for one direction.
func (c *flowCache) find(t *tables, f *flow, out bool) (*policy, uint16) {
	e := &c[f.hash()>>(64-flowCacheBits)]
	if e.generation == t.generation && e.policy != nil && e.flow == *f {
		return e.policy, e.labels
	}
	p, labels := t.lookUp(f, out)
	e.generation, e.flow, e.policy, e.labels = t.generation, *f, p, labels
	return p, labels
}

// hash spreads flows over the cache. Who makes flows collide only makes the
// cache useless for himself and the flow he collides with.
func (f *flow) hash() uint64 {
	const odd = 0x9e3779b97f4a7c15 // 2^64 by the golden ratio: spreads consecutive numbers
	src, dst := f.src.As16(), f.dst.As16()
	h := uint64(f.srcPort)<<32 | uint64(f.dstPort)<<16 | uint64(f.protocol)<<8 | uint64(f.dscp)
	for _, part := range [...]uint64{
		binary.BigEndian.Uint64(src[:8]), binary.BigEndian.Uint64(src[8:]),
		binary.BigEndian.Uint64(dst[:8]), binary.BigEndian.Uint64(dst[8:]),
	} {
		h = (h ^ part) * odd
		h ^= h >> 32
	}
	return h * odd
}
