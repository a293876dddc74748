package traffic

import (
	"fmt"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func numbers[T any](in []Numbered[T]) (out []uint64) {
	for _, e := range in {
		out = append(out, e.Number)
	}
	return out
}

func anything(int) bool { return true }
func even(n int) bool   { return n%2 == 0 }

func TestARingKeepsTheNewest(t *testing.T) {
	for _, total := range []int{0, 1, 3, 4, 5, 8, 103} {
		t.Run(fmt.Sprintf("%d entries through four places", total), func(t *testing.T) {
			r := NewRing[int](4)
			for i := 1; i <= total; i++ {
				r.Add(i)
			}
			var want []uint64
			for n := total; n > 0 && n > total-4; n-- {
				want = append(want, uint64(n))
			}
			found, more := r.Before(0, 100, anything)
			if diff := cmp.Diff(want, numbers(found)); diff != "" || more {
				t.Errorf("more %v (-want +got):\n%s", more, diff)
			}
			for _, e := range found {
				if uint64(e.Entry) != e.Number {
					t.Errorf("entry %d is numbered %d", e.Entry, e.Number)
				}
			}
			if len(r.entries) > 4 {
				t.Errorf("it holds %d", len(r.entries))
			}
		})
	}
}

func TestARingIsReadInParts(t *testing.T) {
	r := NewRing[int](10)
	for i := 1; i <= 25; i++ {
		r.Add(i)
	}
	first, more := r.Before(0, 2, even)
	if diff := cmp.Diff([]uint64{24, 22}, numbers(first)); diff != "" || !more {
		t.Error(more, diff)
	}
	rest, more := r.Before(first[1].Number, 9, even)
	if diff := cmp.Diff([]uint64{20, 18, 16}, numbers(rest)); diff != "" || more {
		t.Error(more, diff)
	}
	news, last := r.After(20, 2, anything)
	if diff := cmp.Diff([]uint64{21, 22}, numbers(news)); diff != "" || last != 22 {
		t.Error(last, diff)
	}
	// What is gone is not waited for, and what does not match is passed over.
	news, last = r.After(1, 100, even)
	if diff := cmp.Diff([]uint64{16, 18, 20, 22, 24}, numbers(news)); diff != "" || last != 25 {
		t.Error(last, diff)
	}
	if news, last = r.After(last, 100, anything); news != nil || last != 25 {
		t.Error(news, last)
	}
}

func TestNewsComeToAllWhoWait(t *testing.T) {
	r := NewRing[int](2)
	var wait sync.WaitGroup
	for range 5 {
		news := r.News(0)
		wait.Go(func() { <-news })
	}
	r.Add(1)
	wait.Wait()
	<-r.News(0) // it is there already
	select {
	case <-r.News(1):
		t.Error("news without an entry")
	default:
	}
	late := r.News(1)
	r.Close()
	<-late
	if r.News(0) != nil {
		t.Error("news of a closed ring")
	}
}

func TestARingOfNoSizeKeepsNothing(t *testing.T) {
	var r Ring[int]
	r.Add(1)
	if found, _ := r.Before(0, 1, anything); found != nil {
		t.Error(found)
	}
}
