package web

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"

	"gatehouse/store"
)

// keyStore is what the pages need of keys that people give SAs.
type keyStore interface {
	MakeByHand(ctx context.Context, in store.Input) (store.OtherSide, error)
	OtherSide(ctx context.Context, policies ...string) (store.OtherSide, error)
}

// keysPage is the other side's half of policies made by hand. Nothing of it is
// kept in a session: it is shown in the answer to the one request.
type keysPage struct {
	store.OtherSide
	// JSON are the settings for another Gatehouse.
	JSON string
	// Fresh says that the keys were only just made.
	Fresh bool
}

func (s *server) newKeys(w http.ResponseWriter, r *http.Request) {
	s.keysForm(w, r, http.StatusOK, map[string]string{"mode": "tunnel", "protocol": "esp"}, nil)
}

func (s *server) keysForm(w http.ResponseWriter, r *http.Request, code int, values map[string]string, errs formErrors) {
	doc, err := s.Store.Draft(r.Context())
	if err != nil {
		s.fail(w, r, err)
		return
	}
	k := store.ByHandInfo()
	k.Fields = slices.Clone(k.Fields)
	for i := range k.Fields {
		if k.Fields[i].Name == "here" {
			for _, n := range doc.Interfaces {
				for _, a := range n.Addresses {
					k.Fields[i].Choices = append(k.Fields[i].Choices, a.Addr().String())
				}
			}
		}
	}
	s.render(w, r, code, "keys", view{Title: k.Title, Form: objectForm{Kind: k, Values: values}, Errors: errs})
}

func (s *server) makeKeys(w http.ResponseWriter, r *http.Request) {
	values := map[string]string{}
	for _, f := range store.ByHandInfo().Fields {
		values[f.Name] = r.PostFormValue(f.Name)
	}
	made, err := s.Store.MakeByHand(r.Context(), store.Input{Form: values})
	var found store.ValidationError
	switch {
	case errors.As(err, &found):
		for i, f := range found {
			for _, info := range store.ByHandInfo().Fields {
				if info.Name == fieldBase(f.Field) {
					found[i].Message = labelOf(info) + ": " + f.Message
				}
			}
		}
		s.keysForm(w, r, http.StatusUnprocessableEntity, values, formErrors(found))
	case err != nil:
		s.fail(w, r, err)
	default:
		s.showKeys(w, r, made, true)
	}
}

// showKeys shows the other side's half. No cache may keep it.
func (s *server) showKeys(w http.ResponseWriter, r *http.Request, o store.OtherSide, fresh bool) {
	text, err := json.MarshalIndent(o.Settings, "", "  ")
	if err != nil {
		s.fail(w, r, err)
		return
	}
	s.render(w, r, http.StatusOK, "keys_shown", view{Title: "For the other side", Page: keysPage{o, string(text), fresh}})
}

// exportForm asks which keys are to be shown, and who asks.
type exportForm struct {
	Policies []choice
}

// exportKeysPage asks before it shows keys again.
func (s *server) exportKeysPage(w http.ResponseWriter, r *http.Request) {
	s.exportForm(w, r, http.StatusOK, r.URL.Query()["policy"], nil)
}

func (s *server) exportForm(w http.ResponseWriter, r *http.Request, code int, chosen []string, errs formErrors) {
	doc, err := s.Store.Draft(r.Context())
	if err != nil {
		s.fail(w, r, err)
		return
	}
	var f exportForm
	for _, p := range doc.Policies {
		if p.Protection == store.Protect {
			f.Policies = append(f.Policies, choice{p.Name, slices.Contains(chosen, p.Name)})
		}
	}
	s.render(w, r, code, "keys_export", view{Title: "Export keys for the other side", Form: f, Errors: errs})
}

func (s *server) exportKeys(w http.ResponseWriter, r *http.Request) {
	password := r.PostFormValue("password") // reads the form
	chosen := r.PostForm["policies"]
	shown, err := s.exported(r, keysOrder{Policies: chosen, Keys: r.PostFormValue("keys") != "", Password: password})
	var found store.ValidationError
	switch {
	case errors.As(err, &found):
		s.exportForm(w, r, http.StatusUnprocessableEntity, chosen, formErrors(found))
	case err != nil:
		s.fail(w, r, err)
	default:
		s.showKeys(w, r, shown, false)
	}
}

// keysOrder asks for keys that are sealed already.
type keysOrder struct {
	Policies []string `json:"policies"`
	// Keys says that who asks knows that keys are shown.
	Keys bool `json:"keys"`
	// Password is that of the account; programs prove themselves by their token.
	Password string `json:"password"`
}

// exported shows keys to who knows what it does, and is still who logged in: a
// browser that somebody left open is not enough.
func (s *server) exported(r *http.Request, o keysOrder) (store.OtherSide, error) {
	var found store.ValidationError
	if len(o.Policies) == 0 {
		found = append(found, store.FieldError{Field: "policies", Code: "required", Message: "Choose at least one policy."})
	}
	if !o.Keys {
		found = append(found, store.FieldError{Field: "keys", Code: "required", Message: "Say that the keys are to be shown, and mind where they go."})
	}
	if found == nil && !strings.HasPrefix(r.Header.Get("Authorization"), "Bearer ") {
		fault, err := s.proves(r, o.Password)
		if err != nil {
			return store.OtherSide{}, err
		}
		if fault != "" {
			found = append(found, store.FieldError{Field: "password", Code: "wrong", Message: fault})
		}
	}
	if found != nil {
		return store.OtherSide{}, found
	}
	shown, err := s.Store.OtherSide(r.Context(), o.Policies...)
	if errors.Is(err, store.ErrNotFound) {
		return shown, store.ValidationError{{Field: "policies", Code: "unknown", Message: "There is no such policy any more: " + err.Error() + "."}}
	}
	return shown, err
}

// proves checks the password of the account that is logged in, with the limits
// of a login; the fault is empty if it is right.
func (s *server) proves(r *http.Request, password string) (fault string, err error) {
	from := source(r)
	if !s.guard.allow(from) {
		return "Too many tries. Wait a minute.", nil
	}
	_, ok, err := s.check(r, adminOf(r).Name, password)
	if err != nil {
		return "", err
	}
	if !ok {
		s.Log.Warn("keys refused: the password was wrong", "account", adminOf(r).Name, "remote", from)
		s.record(r, adminOf(r).Name, "login-failed")
		return "This is not your password.", nil
	}
	s.guard.succeeded(from)
	return "", nil
}

func (s *server) apiMakeKeys(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err == nil && !strings.HasPrefix(strings.TrimSpace(string(body)), "{") {
		err = errNotJSON
	}
	var made store.OtherSide
	if err == nil {
		made, err = s.Store.MakeByHand(r.Context(), store.Input{JSON: body})
	}
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	s.answer(w, http.StatusCreated, "application/json", made)
}

func (s *server) apiExportKeys(w http.ResponseWriter, r *http.Request) {
	var o keysOrder
	dec := json.NewDecoder(r.Body)
	dec.DisallowUnknownFields()
	err := dec.Decode(&o)
	if err != nil {
		err = errNotJSON
	}
	var shown store.OtherSide
	if err == nil {
		shown, err = s.exported(r, o)
	}
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	s.answer(w, http.StatusOK, "application/json", shown)
}
