package firewall

// boxIndex is boxes that can be asked which of them a box meets, without a
// look at each.
type boxIndex struct {
	boxes []box
	sides [3]sideIndex // source, destination, port
}

// sideIndex is boxes by the values of one field.
type sideIndex struct {
	by map[bucket][]int32
	// wide are the boxes that would be in too many buckets, or that do not
	// have the field.
	wide []int32
}

// bucket is 256 neighbouring addresses, or 16 ports.
type bucket struct {
	family family
	start  [15]byte
}

const (
	// mostBuckets is how many a box may be in.
	mostBuckets = 16
	// mostLooks is how many boxes are compared before the answer is "may be".
	mostLooks = 4096
)

func (x *boxIndex) add(b box) {
	n := int32(len(x.boxes))
	x.boxes = append(x.boxes, b)
	for i := range x.sides {
		s := &x.sides[i]
		var room [mostBuckets]bucket
		all, ok := b.buckets(i, room[:0])
		if !ok {
			s.wide = append(s.wide, n)
			continue
		}
		if s.by == nil {
			s.by = map[bucket][]int32{}
		}
		for _, k := range all {
			s.by[k] = append(s.by[k], n)
		}
	}
}

// buckets are where a box is by one field; false if that is nearly everywhere.
func (b *box) buckets(side int, out []bucket) ([]bucket, bool) {
	switch {
	case side == 0 && b.has&hasSource != 0:
		return b.src.buckets(b.family, out)
	case side == 1 && b.has&hasDestination != 0:
		return b.dst.buckets(b.family, out)
	case side == 2 && b.has&hasPort != 0:
		first, last := int(b.ports.First)>>4, int(b.ports.Last)>>4
		if last-first >= mostBuckets {
			return nil, false
		}
		for p := first; p <= last; p++ {
			out = append(out, bucket{start: [15]byte{0: byte(p >> 8), 1: byte(p)}})
		}
		return out, true
	}
	return nil, false
}

func (s span) buckets(f family, out []bucket) ([]bucket, bool) {
	first, last := s.First.As16(), s.Last.As16()
	const low = 14 // the last byte but one
	if [low]byte(first[:low]) != [low]byte(last[:low]) || int(last[low])-int(first[low]) >= mostBuckets {
		return nil, false
	}
	for at := int(first[low]); at <= int(last[low]); at++ {
		k := bucket{family: f, start: [15]byte(first[:15])}
		k.start[low] = byte(at)
		out = append(out, k)
	}
	return out, true
}

// near calls fn for boxes that may meet b until it gives false. It gives false
// if there are too many to look at.
func (x *boxIndex) near(b *box, fn func(n int, o *box) bool) bool {
	least, best := len(x.boxes), -1
	var lists, room [mostBuckets]bucket
	var chosen []bucket
	if least > mostBuckets {
		for i := range x.sides {
			all, ok := b.buckets(i, room[:0])
			if !ok {
				continue
			}
			n := len(x.sides[i].wide)
			for _, k := range all {
				n += len(x.sides[i].by[k])
			}
			if n < least {
				least, best, chosen = n, i, append(lists[:0], all...)
			}
		}
	}
	if least > mostLooks {
		return false
	}
	if best < 0 {
		for i := range x.boxes {
			if !fn(i, &x.boxes[i]) {
				break
			}
		}
		return true
	}
	s := &x.sides[best]
	for _, n := range s.wide {
		if !fn(int(n), &x.boxes[n]) {
			return true
		}
	}
	for _, k := range chosen {
		for _, n := range s.by[k] {
			if !fn(int(n), &x.boxes[n]) {
				return true
			}
		}
	}
	return true
}

// meets says that a packet may be in b and in one of the boxes.
func (x *boxIndex) meets(b *box) bool {
	found := false
	return !x.near(b, func(_ int, o *box) bool { found = !o.apart(b); return !found }) || found
}

// holder says that one of the boxes holds the whole of b, as far as it knows.
func (x *boxIndex) holder(b *box) bool {
	found := false
	x.near(b, func(_ int, o *box) bool { found = o.holds(b); return !found })
	return found
}

// rest is what is left of boxes when the packets of all boxes here are taken away;
// false if that is more than mostSingles boxes.
func (x *boxIndex) rest(boxes []box) (left []box, ok bool) {
	for _, b := range boxes {
		pieces, fits := []box{b}, true
		looked := x.near(&b, func(_ int, o *box) bool {
			if o.apart(&b) {
				return true
			}
			var next []box
			for i := range pieces {
				if pieces[i].apart(o) {
					next = append(next, pieces[i])
					continue
				}
				parts, can := pieces[i].without(o)
				fits = fits && can
				next = append(next, parts...)
			}
			pieces = next
			fits = fits && len(pieces) <= mostSingles
			return fits
		})
		if left = append(left, pieces...); !looked || !fits || len(left) > mostSingles {
			return nil, false
		}
	}
	return left, true
}
