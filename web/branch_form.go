package web

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/netip"
	"strconv"
	"strings"

	"gatehouse/store"
)

// branchForm is a branch as it is typed. What was typed is kept when something
// is wrong with it; the shared key is never sent back.
type branchForm struct {
	OldName                       string
	Name, Peer, LocalID, RemoteID string
	Enabled, Partner              bool
	Start, Algorithms             string
	// Certificate, Authority and TheirCertificate take the place of a key; Proof
	// are their fields.
	Certificate, Authority, TheirCertificate string
	PPKID, PPKOptional                       string
	Proof                                    []formInput
	LocalNetworks, RemoteNetworks            string // one each line
	IKE, ESP                                 string
	Rekey, DPD, Note                         string
	// Tag and Base are the branch as it was when the form was opened: to notice
	// that somebody else changed it, and to say what. Base has no key.
	Tag, Base string
	// Meanwhile says what somebody else changed since.
	Meanwhile []string
	psk, ppk  string
}

func formOf(b store.Branch) branchForm {
	f := branchForm{
		Name: b.Name, Peer: b.Peer, LocalID: b.LocalID, RemoteID: b.RemoteID, Enabled: b.Enabled, Partner: b.Partner, Start: string(b.Start), Algorithms: string(b.Algorithms),
		Certificate: b.Certificate, Authority: b.Authority, TheirCertificate: b.TheirCertificate, PPKID: b.PPKID,
		LocalNetworks: prefixLines(b.LocalNetworks), RemoteNetworks: prefixLines(b.RemoteNetworks),
		IKE: lines(b.IKEProposals), ESP: lines(b.ESPProposals), Note: b.Note,
	}
	if b.PPKOptional {
		f.PPKOptional = "on"
	}
	if b.RekeySeconds != 0 {
		f.Rekey = strconv.Itoa(b.RekeySeconds)
	}
	if b.DPDSeconds != 0 {
		f.DPD = strconv.Itoa(b.DPDSeconds)
	}
	return f
}

// since notes the state of a branch at which a form is opened.
func (s *server) since(f branchForm, b store.Branch) (branchForm, error) {
	var err error
	if f.Tag, err = s.Store.Tag(b); err != nil {
		return f, err
	}
	b.PSK, b.PPK = "", ""
	base, err := json.Marshal(b)
	f.Base = string(base)
	return f, err
}

// meanwhile says what changed between the form's base and the branch as it is
// stored. The base comes from the browser: it only makes sentences.
func (f branchForm) meanwhile(present store.Branch) []string {
	var base store.Branch
	present.PSK, present.PPK = "", ""
	if json.Unmarshal([]byte(f.Base), &base) != nil {
		return nil
	}
	base.PSK, base.PPK = "", ""
	if said := store.BranchDifferences(base, present); len(said) > 0 {
		return said
	}
	return []string{"The shared key was changed."}
}

func prefixLines(ps []netip.Prefix) string {
	var out []string
	for _, p := range ps {
		out = append(out, p.String())
	}
	return lines(out)
}

func readForm(r *http.Request) branchForm {
	get := func(name string) string { return strings.TrimSpace(r.PostFormValue(name)) }
	return branchForm{
		Name: get("name"), Peer: get("peer"), LocalID: get("local_id"), RemoteID: get("remote_id"),
		Enabled: get("enabled") != "", Partner: get("partner") != "", Start: get("start"), Algorithms: get("algorithms"),
		Certificate: get("certificate"), Authority: get("authority"), TheirCertificate: get("their_certificate"),
		PPKID: get("ppk_id"), PPKOptional: get("ppk_optional"), ppk: r.PostFormValue("ppk"),
		LocalNetworks: get("local_networks"), RemoteNetworks: get("remote_networks"),
		IKE: get("ike_proposals"), ESP: get("esp_proposals"),
		Rekey: get("rekey_seconds"), DPD: get("dpd_seconds"), Note: get("note"), psk: r.PostFormValue("psk"),
		Tag: get("tag"), Base: get("base"),
	}
}

// branch turns the form into a branch, or says which fields cannot be read.
// What the values mean is judged by the store.
func (f branchForm) branch() (store.Branch, formErrors) {
	var errs formErrors
	networks := func(field, text string) []netip.Prefix {
		var out []netip.Prefix
		for _, s := range splitList(text) {
			p, err := netip.ParsePrefix(s)
			if err != nil {
				errs = append(errs, store.FieldError{Field: field, Code: "format",
					Message: fmt.Sprintf("%q is not a network, such as 10.2.0.0/24", s)})
				continue
			}
			out = append(out, p)
		}
		return out
	}
	number := func(field, text string) int {
		if text == "" {
			return 0
		}
		n, err := strconv.Atoi(text)
		if err != nil {
			errs = append(errs, store.FieldError{Field: field, Code: "format", Message: "must be a number of seconds"})
		}
		return n
	}
	b := store.Branch{
		Name: f.Name, Enabled: f.Enabled, Partner: f.Partner, Peer: f.Peer, Start: store.Start(f.Start),
		Certificate: f.Certificate, Authority: f.Authority, TheirCertificate: f.TheirCertificate,
		PPK: store.Secret(f.ppk), PPKID: f.PPKID, PPKOptional: f.PPKOptional != "",
		Algorithms: store.Algorithms(f.Algorithms), LocalID: f.LocalID, RemoteID: f.RemoteID,
		LocalNetworks: networks("local_networks", f.LocalNetworks), RemoteNetworks: networks("remote_networks", f.RemoteNetworks),
		PSK: store.Secret(f.psk), IKEProposals: splitList(f.IKE), ESPProposals: splitList(f.ESP),
		RekeySeconds: number("rekey_seconds", f.Rekey), DPDSeconds: number("dpd_seconds", f.DPD), Note: f.Note,
	}
	return b, errs
}

// splitList splits a list that is typed with spaces, commas or new lines.
func splitList(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool { return r == ' ' || r == ',' || r == '\n' || r == '\r' || r == '\t' })
}
