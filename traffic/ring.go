package traffic

import "sync"

// Ring keeps the newest entries of a log under numbers that grow by one with
// each. Its zero value keeps none.
type Ring[T any] struct {
	size int

	mu      sync.Mutex
	entries []T    // entry n is at n % size
	last    uint64 // the number of the newest; the first is 1
	news    chan struct{}
	closed  bool
}

// NewRing makes a Ring of at most size entries. The memory is taken as they
// come.
func NewRing[T any](size int) *Ring[T] { return &Ring[T]{size: size} }

// Numbered is an entry and its place in the log.
type Numbered[T any] struct {
	Number uint64
	Entry  T
}

// Add puts an entry in place of the oldest.
func (r *Ring[T]) Add(entry T) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.size == 0 {
		return
	}
	// Place 0 is for the first number that divides by the size.
	if len(r.entries) == 0 {
		r.entries = make([]T, 1, min(r.size, 64))
	}
	r.last++
	if at := int(r.last % uint64(r.size)); at < len(r.entries) {
		r.entries[at] = entry
	} else {
		r.entries = append(r.entries, entry)
	}
	r.tell()
}

// tell wakes those who wait. Needs r.mu.
func (r *Ring[T]) tell() {
	if r.news != nil {
		close(r.news)
		r.news = nil
	}
}

// Close sends away those who wait for more.
func (r *Ring[T]) Close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	r.tell()
}

// Before gives the newest entries that match, the newest first, at most limit
// of those numbered below before; 0 means from the newest of all. More says that
// there are others.
func (r *Ring[T]) Before(before uint64, limit int, match func(T) bool) (found []Numbered[T], more bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	from := r.last
	if before > 0 {
		from = min(from, before-1)
	}
	for n := from; n >= r.oldest() && n > 0; n-- {
		entry := r.at(n)
		if !match(entry) {
			continue
		}
		if len(found) == limit {
			return found, true
		}
		found = append(found, Numbered[T]{n, entry})
	}
	return found, false
}

// After gives the oldest entries that match, the oldest first, at most limit of
// those numbered above after. Last is where to go on.
func (r *Ring[T]) After(after uint64, limit int, match func(T) bool) (found []Numbered[T], last uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for n := max(after+1, r.oldest()); n <= r.last; n++ {
		entry := r.at(n)
		if !match(entry) {
			continue
		}
		if len(found) == limit {
			return found, found[limit-1].Number
		}
		found = append(found, Numbered[T]{n, entry})
	}
	return found, r.last
}

// News is closed with the first entry numbered above after, and by Close; nil
// after that.
func (r *Ring[T]) News(after uint64) <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return nil
	}
	if r.last > after {
		closed := make(chan struct{})
		close(closed)
		return closed
	}
	if r.news == nil {
		r.news = make(chan struct{})
	}
	return r.news
}

// oldest is the number of the oldest entry there is.
func (r *Ring[T]) oldest() uint64 {
	if r.last < uint64(r.size) {
		return 1
	}
	return r.last - uint64(r.size) + 1
}

func (r *Ring[T]) at(n uint64) T { return r.entries[n%uint64(r.size)] }
