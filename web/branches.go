package web

import (
	"context"
	"errors"
	"net/http"
	"net/url"

	"github.com/go-chi/chi/v5"

	"gatehouse/store"
)

// branchRow is a branch of the draft beside its live state; Live is nil while
// it is not in force.
type branchRow struct {
	store.Branch
	Live *Tunnel
}

func (s *server) rows(r *http.Request) ([]branchRow, error) {
	doc, err := s.Store.Draft(r.Context())
	if err != nil {
		return nil, err
	}
	live := map[string]*Tunnel{}
	for _, t := range s.Gateway.Status().Tunnels {
		live[t.Branch] = &t
	}
	var out []branchRow
	for _, b := range doc.Branches {
		out = append(out, branchRow{b, live[b.Name]})
	}
	return out, nil
}

func (s *server) branches(w http.ResponseWriter, r *http.Request) {
	rows, err := s.rows(r)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	s.render(w, r, http.StatusOK, "branches", view{Title: "Branches", Page: rows})
}

// find reads the branch that the address names.
func (s *server) find(w http.ResponseWriter, r *http.Request) (branchRow, bool) {
	rows, err := s.rows(r)
	if err != nil {
		s.fail(w, r, err)
		return branchRow{}, false
	}
	for _, row := range rows {
		if row.Name == chi.URLParam(r, "name") {
			return row, true
		}
	}
	s.notFound(w, r)
	return branchRow{}, false
}

func (s *server) branch(w http.ResponseWriter, r *http.Request) {
	if row, ok := s.find(w, r); ok {
		s.render(w, r, http.StatusOK, "branch", view{Title: row.Name, Page: row})
	}
}

func (s *server) newBranch(w http.ResponseWriter, r *http.Request) {
	doc, err := s.Store.Draft(r.Context())
	if err != nil {
		s.fail(w, r, err)
		return
	}
	b := store.Branch{Enabled: true, Start: store.StartAlways}
	for _, i := range doc.Interfaces {
		if i.Zone != store.ZoneLAN {
			continue
		}
		for _, a := range i.Addresses {
			// Each of our networks needs one of its family over there, and
			// not every branch has IPv6.
			if a.Addr().Is6() {
				continue
			}
			b.LocalNetworks = append(b.LocalNetworks, a.Masked())
		}
	}
	s.form(w, r, http.StatusOK, "", formOf(b), nil)
}

func (s *server) addBranch(w http.ResponseWriter, r *http.Request) { s.save(w, r, "") }

func (s *server) editBranch(w http.ResponseWriter, r *http.Request) {
	row, ok := s.find(w, r)
	if !ok {
		return
	}
	f, err := s.since(formOf(row.Branch), row.Branch)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	s.form(w, r, http.StatusOK, row.Name, f, nil)
}

func (s *server) changeBranch(w http.ResponseWriter, r *http.Request) {
	s.save(w, r, chi.URLParam(r, "name"))
}

// save puts a posted form into the draft.
func (s *server) save(w http.ResponseWriter, r *http.Request, oldName string) {
	form := readForm(r)
	b, errs := form.branch()
	if errs == nil {
		err := s.Store.PutBranch(r.Context(), oldName, form.Tag, b)
		if errors.Is(err, store.ErrChanged) || errors.Is(err, store.ErrNotFound) {
			s.conflict(w, r, oldName, form)
			return
		}
		var found store.ValidationError
		if err != nil && !errors.As(err, &found) {
			s.fail(w, r, err)
			return
		}
		errs = formErrors(found)
	}
	if errs != nil {
		s.form(w, r, http.StatusUnprocessableEntity, oldName, form, errs)
		return
	}
	s.flash(r, "Branch "+b.Name+" is saved, but not applied yet.")
	http.Redirect(w, r, "/branches/"+url.PathEscape(b.Name), http.StatusSeeOther)
}

// conflict shows the form again, as it was typed, with what somebody else
// changed meanwhile. Saving once more is a decision.
func (s *server) conflict(w http.ResponseWriter, r *http.Request, oldName string, f branchForm) {
	present, err := s.Store.Branch(r.Context(), oldName)
	if errors.Is(err, store.ErrNotFound) {
		// What was typed can be saved as a new branch; only its key is gone.
		f.Meanwhile, f.Tag = []string{"Branch " + oldName + " was deleted. Enter its key to add it again."}, ""
		s.form(w, r, http.StatusConflict, "", f, nil)
		return
	}
	if err != nil {
		s.fail(w, r, err)
		return
	}
	f.Meanwhile = f.meanwhile(present)
	if f, err = s.since(f, present); err != nil {
		s.fail(w, r, err)
		return
	}
	s.form(w, r, http.StatusConflict, oldName, f, nil)
}

func (s *server) form(w http.ResponseWriter, r *http.Request, code int, oldName string, f branchForm, errs formErrors) {
	title := "Add a branch"
	if oldName != "" {
		title = "Edit " + oldName
	}
	f.OldName = oldName
	var err error
	if f.Proof, err = s.proofFields(r.Context(), f, errs); err != nil {
		s.fail(w, r, err)
		return
	}
	s.render(w, r, code, "branch_form", view{Title: title, Form: f, Errors: errs})
}

// proofFields are the fields of certificates and of post-quantum keys, as those of any other object.
func (s *server) proofFields(ctx context.Context, f branchForm, errs formErrors) ([]formInput, error) {
	o := objectForm{Kind: kindCalled("branch"), OldName: f.OldName, Options: map[string][]string{}, Values: map[string]string{
		"certificate": f.Certificate, "authority": f.Authority, "their_certificate": f.TheirCertificate,
		"ppk": "", "ppk_id": f.PPKID, "ppk_optional": f.PPKOptional,
	}}
	var out []formInput
	for _, info := range o.Kind.Fields {
		if _, proof := o.Values[info.Name]; !proof {
			continue
		}
		if info.Refs != "" {
			names, err := s.options(ctx, o.Kind, info.Refs)
			if err != nil {
				return nil, err
			}
			o.Options[info.Name] = names
		}
		out = append(out, o.input(info, errs))
	}
	return out, nil
}

func (s *server) deletePage(w http.ResponseWriter, r *http.Request) {
	if row, ok := s.find(w, r); ok {
		s.render(w, r, http.StatusOK, "branch_delete", view{Title: "Delete " + row.Name + "?", Page: row})
	}
}

func (s *server) deleteBranch(w http.ResponseWriter, r *http.Request) {
	name := chi.URLParam(r, "name")
	if err := s.Store.DeleteBranch(r.Context(), name); err != nil {
		s.fail(w, r, err)
		return
	}
	s.flash(r, "Branch "+name+" is deleted, but not applied yet.")
	http.Redirect(w, r, "/branches", http.StatusSeeOther)
}

func (s *server) reconnect(w http.ResponseWriter, r *http.Request) {
	name := chi.URLParam(r, "name")
	if err := s.Gateway.Reconnect(r.Context(), name); err != nil {
		s.flash(r, err.Error())
	} else {
		s.flash(r, "The tunnel to "+name+" is being connected anew.")
	}
	http.Redirect(w, r, "/branches/"+url.PathEscape(name), http.StatusSeeOther)
}
