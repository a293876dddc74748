package web

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"

	"gatehouse/store"
)

// moveObject moves an object of an ordered kind up or down by one, or to a
// place that was typed.
func (s *server) moveObject(w http.ResponseWriter, r *http.Request) {
	k, ok := s.kindOf(w, r)
	if !ok {
		return
	}
	name := r.URL.Query().Get("name")
	var err error
	switch to := r.PostFormValue("to"); to {
	case "up":
		err = s.Store.ShiftObject(r.Context(), k.Name, name, -1)
	case "down":
		err = s.Store.ShiftObject(r.Context(), k.Name, name, 1)
	default:
		var n int
		if n, err = strconv.Atoi(to); err != nil {
			err = store.ValidationError{{Field: "to", Code: "format", Message: fmt.Sprintf("%q is not a place", to)}}
			break
		}
		err = s.Store.PlaceObject(r.Context(), k.Name, name, n)
	}
	var found store.ValidationError
	switch {
	case errors.As(err, &found):
		s.flash(r, capital(found[0].Message)+".")
	case errors.Is(err, store.ErrUnordered):
		s.notFound(w, r)
		return
	case err != nil:
		s.fail(w, r, err)
		return
	default:
		s.flash(r, saidOf(k, name, "moved"))
	}
	// Back to the same part of the list; the row takes the focus, so that who
	// uses the keyboard goes on from there.
	back := "/objects/" + k.Plural
	if from, err := strconv.Atoi(r.PostFormValue("from")); err == nil && from > 0 {
		back += "?from=" + strconv.Itoa(from)
	}
	http.Redirect(w, r, back+"#"+url.PathEscape("row-"+name), http.StatusSeeOther)
}
