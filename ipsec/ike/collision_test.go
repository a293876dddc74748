package ike

import (
	"strconv"
	"testing"
	"time"
)

// Collisions of RFC 7296 sections 2.8 and 2.25: both sides begin something before
// they hear of what the other began.

// settled checks that both sides have one and the same IKE SA and as many children
// as they want, whatever came between.
func (l *link) settled() {
	l.t.Helper()
	a, b := l.left.sa, l.right.sa
	if !a.Established() || !b.Established() {
		l.t.Fatalf("%s and %s\n%s", a.State(), b.State(), l.ladder.String())
	}
	if a.cur.spii != b.cur.spii || a.cur.spir != b.cur.spir {
		l.t.Errorf("the sides have different IKE SAs\n%s", l.ladder.String())
	}
	for _, s := range []*side{l.left, l.right} {
		if s.sa.old != nil || s.sa.spare != nil {
			l.t.Errorf("%s keeps a generation that is over\n%s", s.name, l.ladder.String())
		}
		if n := len(s.sa.children); n != len(s.sa.wants) {
			l.t.Errorf("%s has %d children, want %d\n%s", s.name, n, len(s.sa.wants), l.ladder.String())
		}
	}
	l.paired(len(a.wants))
}

// upLong is a link whose first rekey, of forward secrecy, is over.
func upLong(t *testing.T, change ...func(*link)) *link {
	t.Helper()
	l := up(t, change...)
	l.run(15 * time.Second)
	l.ladder.Reset()
	return l
}

func (l *link) rekeyIKE(sides ...*side) {
	for _, s := range sides {
		s.sa.rekeyAt = l.now
		l.step(s, Tick{})
	}
}

// Section 2.8.2: the lowest nonce decides, and who asked for that one deletes it.
func TestBothRekeyTheIKESAAtOnce(t *testing.T) {
	for range 20 { // the nonces decide
		l := upLong(t)
		l.rekeyIKE(l.left, l.right)
		l.run(time.Second)
		l.wantLadder(`
		left  ---> CREATE_CHILD_SA request 4 {SK}
		      <--- right CREATE_CHILD_SA request 0 {SK}
		      <--- right CREATE_CHILD_SA response 4 {SK}
		left  ---> CREATE_CHILD_SA response 0 {SK}
		left  ---> INFORMATIONAL request ` + l.deletes(l.left) + ` {SK}
		      <--- right INFORMATIONAL request ` + l.deletes(l.right) + ` {SK}
		      <--- right INFORMATIONAL response ` + l.deletes(l.left) + ` {SK}
		left  ---> INFORMATIONAL response ` + l.deletes(l.right) + ` {SK}`)
		l.settled()
		l.step(l.left, RekeyChild)
		l.run(20 * time.Second)
		l.settled()
	}
}

// deletes is the message ID of the Delete that a side sent: of the old IKE SA if
// its rekey won, else the first of the new, redundant one.
func (l *link) deletes(s *side) string {
	won := s.sa.cur.initiator
	switch {
	case !won:
		return "0"
	case s == l.left:
		return "5"
	}
	return "1"
}

func TestBothRekeyTheIKESAAtOnceAndOneDatagramIsLost(t *testing.T) {
	for n := 1; n <= 8; n++ {
		for try := range 6 {
			t.Run(strconv.Itoa(n)+"/"+strconv.Itoa(try), func(t *testing.T) {
				l := upLong(t)
				first := l.sent
				l.lose = func(i int) bool { return i == first+n }
				l.rekeyIKE(l.left, l.right)
				l.run(3 * time.Minute)
				l.settled()
			})
		}
	}
}

// Section 2.25.2: one side is through before it hears of the other's rekey.
func TestRekeyOfTheIKESAThatComesTooLate(t *testing.T) {
	l := upLong(t)
	l.rekeyIKE(l.left, l.right)
	// The right side's request is held up; its answer overtakes it.
	for i := range l.inFlight {
		if l.inFlight[i].to == l.left {
			l.inFlight[i].at = l.now.Add(100 * time.Millisecond)
		}
	}
	l.run(time.Minute)
	l.settled()
}

// Section 2.25.2: whoever rekeys the IKE SA puts off new children.
func TestChildAndIKESAAreRekeyedAtOnce(t *testing.T) {
	for range 10 {
		l := upLong(t)
		l.rekeyIKE(l.left)
		l.step(l.right, RekeyChild)
		l.run(time.Minute)
		l.settled()
		if l.left.sa.cur.spii == 0 {
			t.Fatal("no IKE SA")
		}
	}
}

func TestEverythingIsRekeyedByBothAtOnce(t *testing.T) {
	for range 20 {
		l := upLong(t)
		l.rekeyIKE(l.left, l.right)
		l.step(l.left, RekeyChild)
		l.step(l.right, RekeyChild)
		l.run(2 * time.Minute)
		l.settled()
	}
}

// Section 2.25.1: the peer deletes a child that we rekey.
func TestChildIsDeletedWhileItIsRekeyed(t *testing.T) {
	l := upLong(t)
	l.step(l.left, RekeyChild)
	l.right.sa.deleteChild(l.right.sa.children[0])
	l.step(l.right, Tick{})
	l.run(30 * time.Second)
	l.settled()
}

// Section 2.25.1: who deletes a child refuses its rekey for now.
func TestRekeyOfAChildThatIsBeingDeleted(t *testing.T) {
	l := upLong(t)
	l.right.sa.deleteChild(l.right.sa.children[0])
	l.step(l.left, RekeyChild)
	l.step(l.right, Tick{})
	l.run(30 * time.Second)
	l.settled()
}

// Section 1.4.1: neither answers with a Delete of its own.
func TestBothDeleteTheSameChild(t *testing.T) {
	l := upLong(t)
	for _, s := range []*side{l.left, l.right} {
		s.sa.deleteChild(s.sa.children[0])
		l.step(s, Tick{})
	}
	l.run(30 * time.Second)
	l.settled() // the caller asks for another
}

// Section 2.25.2: both say goodbye.
func TestBothCloseTheIKESA(t *testing.T) {
	l := upLong(t)
	l.step(l.left, Close)
	l.step(l.right, Close)
	l.run(time.Minute)
	for _, s := range []*side{l.left, l.right} {
		if c, ok := last[Closed](s); !ok || c.Reason.Code != ClosedHere || len(s.plane) != 0 {
			t.Errorf("%s: %+v, %d SAs", s.name, c, len(s.plane))
		}
	}
}

// Section 2.25.2: a Delete of the IKE SA ends a rekey of it.
func TestIKESAIsClosedWhileItIsRekeyed(t *testing.T) {
	l := upLong(t)
	l.rekeyIKE(l.left)
	l.step(l.right, Close)
	l.run(time.Minute)
	for _, s := range []*side{l.left, l.right} {
		if s.sa.State() != StateClosed || len(s.plane) != 0 {
			t.Errorf("%s is %s with %d SAs", s.name, s.sa.State(), len(s.plane))
		}
	}
}

// Section 2.25: after TEMPORARY_FAILURE nobody asks again at once.
func TestTemporaryFailureIsWaitedFor(t *testing.T) {
	l := upLong(t)
	l.right.sa.cur.pending = &request{task: task{kind: taskRekeyIKE}, next: l.now.Add(time.Hour)} // busy
	l.step(l.left, RekeyChild)
	l.run(busyRetry - 100*time.Millisecond)
	l.wantLadder(`
	left  ---> CREATE_CHILD_SA request 4 {SK}
	      <--- right CREATE_CHILD_SA response 4 {SK}`)
	l.right.sa.cur.pending = nil
	l.run(20 * time.Second)
	l.settled()
}

// Section 2.25: CHILD_SA_NOT_FOUND means that the peer has lost the child.
func TestLostChildIsMadeAnew(t *testing.T) {
	l := upLong(t)
	before, _ := last[ChildUp](l.left)
	l.right.sa.drop(l.right.sa.children[0])
	l.step(l.right, Tick{})
	l.step(l.left, RekeyChild)
	l.run(20 * time.Second)
	l.settled()
	if after, _ := last[ChildUp](l.left); after.In == before.In || after.Replaces != 0 {
		t.Errorf("%+v", after)
	}
}

// The goodbye must reach a peer that has not seen the request before it.
func TestCloseWhileARequestIsLost(t *testing.T) {
	l := upLong(t)
	l.lose = func(int) bool { return true }
	l.step(l.left, RekeyChild)
	l.lose = nil
	l.step(l.left, Close)
	l.run(time.Second)
	for _, s := range []*side{l.left, l.right} {
		if s.sa.State() != StateClosed || len(s.plane) != 0 {
			t.Errorf("%s is %s with %d SAs\n%s", s.name, s.sa.State(), len(s.plane), l.ladder.String())
		}
	}
}
