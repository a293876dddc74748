package store

import "slices"

// Label says how sensitive networks and services are (RFC 4301 8.1 speaks of
// sensitivity levels): all that goes to what carries it, or comes from there, is
// protected by one of its algorithms or dropped.
type Label struct {
	Name    string `json:"name" jsonschema:"pattern=^[a-z0-9][a-z0-9-]*$,maxLength=40"`
	Enabled bool   `json:"enabled"`
	// Networks carry the label, with Services only what these are there: a request
	// to one and its answer. Services without networks carry it everywhere. One of
	// both is needed.
	Networks []AddressRange `json:"networks,omitempty"`
	Services []string       `json:"services,omitempty"`
	// Algorithms are those of which one must protect it, see LabelAlgorithms.
	Algorithms []string `json:"algorithms" jsonschema:"minItems=1"`
	Note       string   `json:"note,omitempty" jsonschema:"maxLength=1000"`
}

// LabelAlgorithms are what a label may ask for, the best first: suites of ESP, and
// with ah- before it an integrity check of AH, which hides nothing.
func LabelAlgorithms() []string {
	out := slices.Clone(suiteWords.aeads)
	for _, cipher := range suiteWords.ciphers {
		for _, integrity := range suiteWords.integrities {
			if !slices.Contains(legacyWords, cipher) && !slices.Contains(legacyWords, integrity) {
				out = append(out, cipher+"-"+integrity)
			}
		}
	}
	for _, integrity := range suiteWords.integrities {
		if !slices.Contains(legacyWords, integrity) {
			out = append(out, "ah-"+integrity)
		}
	}
	return out
}

// MaxLabels is how many labels can be switched on.
const MaxLabels = 12
