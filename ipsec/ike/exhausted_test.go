package ike

import (
	"testing"
	"time"

	"gatehouse/ipsec/sad"
)

// A data plane tells when most sequence numbers are used up (RFC 4303 section
// 3.3.3); then the child is rekeyed, so that they never end.
func TestAChildIsReplacedBeforeItsSequenceNumbersEnd(t *testing.T) {
	l := up(t)
	l.run(time.Minute) // the first child is soon replaced by another, which shows that this works
	first, _ := last[ChildUp](l.left)
	exhausted := func(d sad.Direction, spi sad.SPI) {
		l.step(l.left, PlaneEvent{sad.Event{Kind: sad.Exhausted, SA: sad.ID{SPI: spi, Protocol: sad.ESP, Direction: d}}})
		l.run(10 * time.Second)
	}
	exhausted(sad.Out, first.Out+1)
	if c, _ := last[ChildUp](l.left); c.In != first.In {
		t.Error("the numbers of another SA made it rekey")
	}
	exhausted(sad.Out, first.Out)
	l.paired(1)
	if c, _ := last[ChildUp](l.left); c.Replaces != first.In || c.Out == first.Out {
		t.Errorf("before: %+v, after: %+v", first, c)
	}
}
