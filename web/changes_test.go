package web

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestApplyBeginsATrial(t *testing.T) {
	s := newSite(t)
	b := s.loggedIn(t)
	b.get("/changes").want(t, http.StatusOK, "Apply", "90 seconds")
	b.post("/changes/apply", "window", "300", "message", "leeds moves").want(t, http.StatusSeeOther)
	b.post("/changes/apply", "window", "1", "message", strings.Repeat("m", 2*maxMessage)).want(t, http.StatusSeeOther)
	got := s.gateway.applied
	if len(got) != 2 || got[0] != (Order{"admin", "leeds moves", 5 * time.Minute}) || got[1].Window != 90*time.Second || len(got[1].Message) != maxMessage {
		t.Errorf("%+v", got)
	}
	s.gateway.fail = errors.New("another change is being applied")
	b.post("/changes/apply").want(t, http.StatusSeeOther)
	b.get("/changes").want(t, http.StatusOK, "another change is being applied")
}

func TestReviewIsShownBesideTheSentences(t *testing.T) {
	s := newSite(t)
	b := s.loggedIn(t)
	b.get("/changes").want(t, http.StatusOK, "Branch leeds was added", "127.0.0.1 reviews at 127.0.0.1", "Rule idle can never match", "This may cut you off",
		`class="removed">-old &lt;rule&gt;`, `class="added">&#43;new &lt;rule&gt;`)
	s.gateway.reviewFails = errors.New("branch leeds: ESP proposal rot13")
	b.get("/changes").want(t, http.StatusOK, "cannot be applied", "rot13")
}

func TestOnlyANewConnectionConfirms(t *testing.T) {
	s := newSite(t)
	b := s.loggedIn(t)
	b.post("/changes/heartbeat").want(t, http.StatusOK, `"none"`)
	set := func(tr Trial) {
		s.gateway.mu.Lock()
		s.gateway.status.Trial = tr
		s.gateway.mu.Unlock()
	}
	set(Trial{Beginning: true})
	b.post("/changes/heartbeat").want(t, http.StatusOK, `"beginning"`)
	b.get("/").want(t, http.StatusOK, "being carried out", `http-equiv="refresh"`)

	// This connection was open before the trial began.
	set(Trial{Revision: 7, Since: time.Now(), Deadline: time.Now().Add(time.Minute), Addresses: []string{"10.1.9.1"}})
	first := b.post("/changes/heartbeat")
	first.want(t, http.StatusOK, `"stale"`)
	if len(s.gateway.confirmed) != 0 {
		t.Fatal("an old connection confirmed")
	}
	// The answer closed it; the next request comes by a new one.
	b.get("/changes").want(t, http.StatusOK, "on trial", "10.1.9.1", "Keep", "Take back")
	b.post("/changes/heartbeat").want(t, http.StatusOK, `"confirmed"`)
	if len(s.gateway.confirmed) != 1 || s.gateway.confirmed[0] != 7 {
		t.Errorf("confirmed %v", s.gateway.confirmed)
	}
	b.get("/changes").want(t, http.StatusOK, "Apply")
}

func TestTheKeepButtonAsksForANewConnectionToo(t *testing.T) {
	s := newSite(t)
	b := s.loggedIn(t)
	s.gateway.status.Trial = Trial{Revision: 7, Since: time.Now(), Deadline: time.Now().Add(time.Minute)}
	b.post("/changes/confirm").want(t, http.StatusSeeOther)
	b.get("/changes").want(t, http.StatusOK, "once more")
	b.post("/changes/confirm").want(t, http.StatusSeeOther)
	b.get("/changes").want(t, http.StatusOK, "in force and kept")
	if len(s.gateway.confirmed) != 1 {
		t.Errorf("confirmed %v", s.gateway.confirmed)
	}
}

func TestTakeBackIsTold(t *testing.T) {
	s := newSite(t)
	b := s.loggedIn(t)
	s.gateway.status.Trial = Trial{Revision: 7, Since: time.Now(), Deadline: time.Now().Add(time.Minute)}
	b.post("/changes/take-back").want(t, http.StatusSeeOther)
	b.get("/changes").want(t, http.StatusOK, "did not stay", "Revision 7 was taken back")
}

func TestAServerWithoutConnContextNeverConfirms(t *testing.T) {
	req, err := http.NewRequest(http.MethodPost, "/changes/heartbeat", nil)
	if err != nil {
		t.Fatal(err)
	}
	if !acceptedAt(req).IsZero() {
		t.Error("an unknown time of acceptance")
	}
}
