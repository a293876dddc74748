package web

import (
	"errors"
	"net/http"

	"gatehouse/store"
)

// tracePage asks what would become of a connection.
type tracePage struct {
	Question Question
	// Answer is nil before the first question, and when it is not understood.
	Answer *Answer
	Zones  []string
	// Pending says that there is a draft to ask.
	Pending bool
}

func (s *server) trace(w http.ResponseWriter, r *http.Request) {
	p := tracePage{Question: ParseQuestion(r.URL.Query())}
	draft, err := s.Store.Draft(r.Context())
	if err != nil {
		s.fail(w, r, err)
		return
	}
	p.Zones = zonesOf(draft)
	code := http.StatusOK
	var found store.ValidationError
	if len(r.URL.Query()) > 0 {
		a, err := s.Gateway.Trace(r.Context(), p.Question)
		switch {
		case errors.As(err, &found):
			code = http.StatusUnprocessableEntity
		case err != nil:
			s.fail(w, r, err)
			return
		default:
			p.Answer = &a
		}
	}
	s.render(w, r, code, "trace", view{Title: "Would this be allowed?", Page: p, Errors: formErrors(found)})
}

func (s *server) apiTrace(w http.ResponseWriter, r *http.Request) {
	a, err := s.Gateway.Trace(r.Context(), ParseQuestion(r.URL.Query()))
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	s.answer(w, http.StatusOK, "application/json", a)
}

// apiFirewall is the whole of the rules as nft text.
func (s *server) apiFirewall(w http.ResponseWriter, r *http.Request) {
	text, err := s.Gateway.FirewallText(r.Context(), r.URL.Query().Get("draft") != "")
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	if _, err := w.Write([]byte(text)); err != nil {
		s.Log.Debug("the answer was not read", "err", err)
	}
}
