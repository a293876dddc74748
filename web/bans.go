package web

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"gatehouse/store"
)

// Ban is a source on the internet that is refused until its time is over.
type Ban struct {
	Source  netip.Prefix `json:"source"`
	Reason  string       `json:"reason"`
	Since   time.Time    `json:"since"`
	Until   time.Time    `json:"until"`
	Packets uint64       `json:"packets"` // refused so far
}

// Banner is what the pages need of the part that bans.
type Banner interface {
	// Bans are those in force.
	Bans(ctx context.Context) ([]Ban, error)
	// Ban refuses a source for some time; a ValidationError says why it cannot.
	Ban(ctx context.Context, source netip.Prefix, d time.Duration, reason string) error
	// LiftBan ends a ban; ErrNotFound if there is none.
	LiftBan(ctx context.Context, source netip.Prefix) error
	// LoginFailed counts a wrong password or token of somebody.
	LoginFailed(from netip.Addr)
}

// ParseBanSource reads an address or a network.
func ParseBanSource(text string) (netip.Prefix, error) {
	text = strings.TrimSpace(text)
	if a, err := netip.ParseAddr(text); err == nil && a.Zone() == "" {
		a = a.Unmap()
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	p, err := netip.ParsePrefix(text)
	if err != nil || p.Addr().Is4In6() || p.Bits() == 0 {
		return netip.Prefix{}, store.ValidationError{{Field: "source", Code: "format",
			Message: "must be an address or a network, as in 198.51.100.7 or 198.51.100.0/24"}}
	}
	return p.Masked(), nil
}

// bansPage is who is refused, and what was typed to refuse another one.
type bansPage struct {
	Bans   []Ban
	MayBan bool
	Typed  banOrder
}

// banOrder is what a ban is asked for by.
type banOrder struct {
	Source  string `json:"source"`
	Minutes string `json:"minutes"`
	Reason  string `json:"reason"`
}

func (o banOrder) carryOut(ctx context.Context, g Banner) error {
	source, err := ParseBanSource(o.Source)
	minutes, badMinutes := strconv.Atoi(strings.TrimSpace(o.Minutes))
	const year = 365 * 24 * 60
	if badMinutes != nil || minutes < 1 || minutes > year {
		var found store.ValidationError
		errors.As(err, &found)
		return append(found, store.FieldError{Field: "minutes", Code: "range", Message: "must be a number of minutes, from 1 to a year"})
	}
	if err != nil {
		return err
	}
	return g.Ban(ctx, source, time.Duration(minutes)*time.Minute, strings.TrimSpace(o.Reason))
}

func (s *server) bans(w http.ResponseWriter, r *http.Request) {
	s.bansPage(w, r, http.StatusOK, banOrder{Minutes: "60"}, nil)
}

func (s *server) bansPage(w http.ResponseWriter, r *http.Request, code int, typed banOrder, errs formErrors) {
	all, err := s.Gateway.Bans(r.Context())
	if err != nil {
		s.fail(w, r, err)
		return
	}
	p := bansPage{Bans: all, MayBan: adminOf(r).Role.May(store.RoleOperator), Typed: typed}
	s.render(w, r, code, "bans", view{Title: "Banned", Page: p, Errors: errs})
}

func (s *server) ban(w http.ResponseWriter, r *http.Request) {
	o := banOrder{r.PostFormValue("source"), r.PostFormValue("minutes"), r.PostFormValue("reason")}
	err := o.carryOut(r.Context(), s.Gateway)
	var found store.ValidationError
	switch {
	case errors.As(err, &found):
		for i := range found {
			found[i].Message = capital(found[i].Field) + " " + found[i].Message
		}
		s.bansPage(w, r, http.StatusUnprocessableEntity, o, formErrors(found))
		return
	case err != nil:
		s.fail(w, r, err)
		return
	}
	s.flash(r, "It is banned.")
	http.Redirect(w, r, "/firewall/bans", http.StatusSeeOther)
}

func (s *server) liftBan(w http.ResponseWriter, r *http.Request) {
	source, err := ParseBanSource(r.PostFormValue("source"))
	if err == nil {
		err = s.Gateway.LiftBan(r.Context(), source)
	}
	var found store.ValidationError
	switch {
	case errors.Is(err, store.ErrNotFound) || errors.As(err, &found):
		s.flash(r, "There was no such ban any more.")
	case err != nil:
		s.fail(w, r, err)
		return
	default:
		s.flash(r, "The ban of "+source.String()+" is lifted.")
	}
	http.Redirect(w, r, "/firewall/bans", http.StatusSeeOther)
}

func (s *server) apiBans(w http.ResponseWriter, r *http.Request) {
	all, err := s.Gateway.Bans(r.Context())
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	s.answer(w, http.StatusOK, "application/json", map[string][]Ban{"items": append([]Ban{}, all...)})
}

// apiBan takes {"source", "minutes", "reason"}.
func (s *server) apiBan(w http.ResponseWriter, r *http.Request) {
	var in struct {
		Source  string `json:"source"`
		Minutes int    `json:"minutes"`
		Reason  string `json:"reason"`
	}
	body, err := io.ReadAll(r.Body)
	if err == nil && json.Unmarshal(body, &in) != nil {
		err = errNotJSON
	}
	if err == nil {
		err = banOrder{in.Source, strconv.Itoa(in.Minutes), in.Reason}.carryOut(r.Context(), s.Gateway)
	}
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func (s *server) apiLiftBan(w http.ResponseWriter, r *http.Request) {
	source, err := ParseBanSource(r.URL.Query().Get("source"))
	if err == nil {
		err = s.Gateway.LiftBan(r.Context(), source)
	}
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}
