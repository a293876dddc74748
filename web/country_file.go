package web

import (
	"errors"
	"io"
	"net/http"
	"time"

	"gatehouse/store"
)

// maxCountryFile bounds a request with a file of countries in bytes: 128 MiB for
// the file and some for what is around it. uploadTime is how long one may take.
const (
	maxCountryFile = 129 << 20
	uploadTime     = 15 * time.Minute
)

func (s *server) countries(w http.ResponseWriter, r *http.Request) {
	s.countryPage(w, r, http.StatusOK, nil)
}

func (s *server) countryPage(w http.ResponseWriter, r *http.Request, code int, errs formErrors) {
	s.render(w, r, code, "countries", view{Title: "Country file", Page: s.Gateway.CountryFile(), Errors: errs})
}

// giveCountries takes an uploaded file, as it comes: it does not fit into the
// memory of a small box.
func (s *server) giveCountries(w http.ResponseWriter, r *http.Request) {
	file, err := uploaded(r)
	if err == nil {
		err = s.takeCountries(w, r, file)
	}
	var found store.ValidationError
	switch {
	case errors.As(err, &found):
		s.countryPage(w, r, http.StatusUnprocessableEntity, formErrors(found))
	case err != nil:
		s.fail(w, r, err)
	default:
		s.flash(r, "The country file is in use.")
		http.Redirect(w, r, "/firewall/countries", http.StatusSeeOther)
	}
}

// uploaded is the file of a form.
func uploaded(r *http.Request) (io.Reader, error) {
	none := store.ValidationError{{Field: "file", Code: "required", Message: "Choose a file."}}
	parts, err := r.MultipartReader()
	if err != nil {
		return nil, none
	}
	for {
		p, err := parts.NextPart()
		switch {
		case errors.Is(err, io.EOF):
			return nil, none
		case err != nil:
			return nil, tooLarge(err)
		case p.FormName() == "file" && p.FileName() != "":
			return p, nil
		}
	}
}

func (s *server) takeCountries(w http.ResponseWriter, r *http.Request, file io.Reader) error {
	// A slow line takes longer than a page may.
	c, until := http.NewResponseController(w), s.Now().Add(uploadTime)
	if err := errors.Join(c.SetReadDeadline(until), c.SetWriteDeadline(until)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	return tooLarge(s.Gateway.GiveCountryFile(r.Context(), file))
}

// tooLarge says of a request that is too long what an admin can do about it.
func tooLarge(err error) error {
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		return store.ValidationError{{Field: "file", Code: "length", Message: "The file is larger than 128 MiB. One with the countries alone is much smaller."}}
	}
	return err
}

func (s *server) apiCountries(w http.ResponseWriter, r *http.Request) {
	s.answer(w, http.StatusOK, "application/json", s.Gateway.CountryFile())
}

// apiGiveCountries takes the file as the body.
func (s *server) apiGiveCountries(w http.ResponseWriter, r *http.Request) {
	if err := s.takeCountries(w, r, r.Body); err != nil {
		s.refuse(w, r, err)
		return
	}
	s.apiCountries(w, r)
}
