package web

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"gatehouse/store"
)

// The API of all objects: /api/v1/objects/KINDS and, for one object,
// /api/v1/objects/KINDS/item?name=NAME, because names of some kinds have
// slashes. It says and refuses the same as the pages.

// problem is an error as RFC 9457 has it, with the fields at fault.
type problem struct {
	Title  string         `json:"title"`
	Status int            `json:"status"`
	Detail string         `json:"detail,omitempty"`
	Fields []problemField `json:"fields,omitempty"`
	Users  []string       `json:"users,omitempty"`
}

type problemField struct {
	Field   string `json:"field"`
	Code    string `json:"code"`
	Message string `json:"message"`
}

// answer sends a value as JSON.
func (s *server) answer(w http.ResponseWriter, code int, kind string, v any) {
	text, err := json.Marshal(v)
	if err != nil {
		s.Log.Error("cannot write an answer", "err", err)
		http.Error(w, "the answer could not be made", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", kind)
	w.WriteHeader(code)
	if _, err := w.Write(append(text, '\n')); err != nil {
		s.Log.Debug("the answer was not read", "err", err)
	}
}

// refuse answers an error.
func (s *server) refuse(w http.ResponseWriter, r *http.Request, err error) {
	p := problem{Title: "Something went wrong", Status: http.StatusInternalServerError, Detail: "The gateway's log says what."}
	var found store.ValidationError
	var used store.InUseError
	var large *http.MaxBytesError
	var syntax store.SyntaxError
	var disk store.DiskError
	switch {
	case errors.As(err, &large):
		p = problem{Title: "The request is too long", Status: http.StatusRequestEntityTooLarge, Detail: err.Error()}
	case errors.As(err, &found):
		p = problem{Title: "There is a problem with the fields", Status: http.StatusUnprocessableEntity}
		for _, f := range found {
			p.Fields = append(p.Fields, problemField(f))
		}
	case errors.As(err, &used):
		p = problem{Title: "It is in use", Status: http.StatusConflict, Detail: err.Error(), Users: used.Users}
	case errors.Is(err, store.ErrUnordered):
		p = problem{Title: "They have no places", Status: http.StatusConflict, Detail: err.Error()}
	case errors.Is(err, store.ErrSingle):
		p = problem{Title: "There is exactly one", Status: http.StatusConflict, Detail: err.Error()}
	case errors.Is(err, store.ErrChanged):
		p = problem{Title: "It was changed meanwhile", Status: http.StatusPreconditionFailed, Detail: err.Error()}
	case errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrUnknownKind):
		p = problem{Title: "There is no such object", Status: http.StatusNotFound, Detail: err.Error()}
	case errors.Is(err, errNotJSON) || errors.As(err, &syntax):
		p = problem{Title: "The request is not understood", Status: http.StatusBadRequest, Detail: err.Error()}
	case errors.As(err, &disk):
		p = problem{Title: disk.Message, Status: http.StatusInsufficientStorage}
		s.Log.Error("a request failed", "path", r.URL.Path, "err", err)
	default:
		s.Log.Error("a request failed", "path", r.URL.Path, "err", err)
	}
	s.answer(w, p.Status, "application/problem+json", p)
}

var errNotJSON = errors.New("the body must be one JSON object")

// apiListing is a part of a list; Next is the offset of the next part, if
// there is one.
type apiListing struct {
	Items []apiRow `json:"items"`
	Total int      `json:"total"`
	Next  int      `json:"next,omitempty"`
}

type apiRow struct {
	Name    string `json:"name"`
	Summary string `json:"summary"`
	// Position is the place of an object whose place matters, from 1.
	Position int  `json:"position,omitempty"`
	Off      bool `json:"off,omitempty"`
	// Matched is only of rules and forwards.
	Matched *apiMatched `json:"matched,omitempty"`
}

func (s *server) apiObjects(w http.ResponseWriter, r *http.Request) {
	k, err := kindIn(r)
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	offset, query := part(r)
	limit, err := strconv.Atoi(r.URL.Query().Get("limit"))
	if err != nil || limit < 1 || limit > 1000 {
		limit = 100
	}
	var counted map[string]store.RuleCounter
	idle := 0
	if decides(k.Name) {
		if counted, err = s.Gateway.Counted(r.Context()); err != nil {
			s.refuse(w, r, err)
			return
		}
		idle = idleDays(r.URL.Query())
	}
	rows, total, err := s.listed(r.Context(), k.Name, query, idle, counted, offset, limit)
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	out := apiListing{Items: []apiRow{}, Total: total}
	for _, row := range rows {
		item := apiRow{Name: row.Name, Summary: row.Summary, Position: row.Position, Off: row.Off}
		if c, ok := counted[row.Name]; ok {
			item.Matched = matchedOf(c, s.Now())
		}
		out.Items = append(out.Items, item)
	}
	if offset+len(rows) < total {
		out.Next = offset + len(rows)
	}
	s.answer(w, http.StatusOK, "application/json", out)
}

func (s *server) apiObject(w http.ResponseWriter, r *http.Request) {
	k, err := kindIn(r)
	var o store.Object
	if err == nil {
		o, err = s.Store.Object(r.Context(), k.Name, r.URL.Query().Get("name"))
	}
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	w.Header().Set("ETag", `"`+o.Tag+`"`)
	s.answer(w, http.StatusOK, "application/json", o.JSON)
}

// apiPut adds an object (POST to the list) or changes the one named (PUT).
func (s *server) apiPut(w http.ResponseWriter, r *http.Request) {
	k, err := kindIn(r)
	var body []byte
	if err == nil {
		body, err = io.ReadAll(r.Body)
	}
	if err == nil && !strings.HasPrefix(strings.TrimSpace(string(body)), "{") {
		err = errNotJSON
	}
	var name string
	if err == nil {
		tag := strings.Trim(r.Header.Get("If-Match"), `"`)
		name, err = s.Store.PutObject(r.Context(), k.Name, r.URL.Query().Get("name"), tag, store.Input{JSON: body})
	}
	var o store.Object
	if err == nil {
		o, err = s.Store.Object(r.Context(), k.Name, name)
	}
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	w.Header().Set("ETag", `"`+o.Tag+`"`)
	code := http.StatusOK
	if r.Method == http.MethodPost {
		code = http.StatusCreated
		w.Header().Set("Location", r.URL.Path+"/item?"+url.Values{"name": {name}}.Encode())
	}
	s.answer(w, code, "application/json", o.JSON)
}

// apiMove gives an object of an ordered kind another place: {"position": 1} is
// the first.
func (s *server) apiMove(w http.ResponseWriter, r *http.Request) {
	k, err := kindIn(r)
	var place struct {
		Position int `json:"position"`
	}
	if err == nil {
		dec := json.NewDecoder(r.Body)
		dec.DisallowUnknownFields()
		if dec.Decode(&place) != nil {
			err = errNotJSON
		}
	}
	if err == nil {
		err = s.Store.PlaceObject(r.Context(), k.Name, r.URL.Query().Get("name"), place.Position)
	}
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func (s *server) apiDelete(w http.ResponseWriter, r *http.Request) {
	k, err := kindIn(r)
	if err == nil {
		err = s.Store.DeleteObject(r.Context(), k.Name, r.URL.Query().Get("name"))
	}
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}
