package firewall

import "github.com/google/nftables/expr"

// tableName is the one table this package owns; its family is inet.
const tableName = "gatehouse"

// Ruleset is a compiled Policy: the whole content of the table "gatehouse".
// It has two readings that mean the same: String is nft text for people and
// tests, Apply sends netlink messages. The zero Ruleset is not loadable.
type Ruleset struct {
	counters []string // rule IDs, in order of first use
	sets     []set
	flows    *flowtable // nil without a fast path
	chains   []chain
	dynamic  *Ruleset  // of the table gatehouse_dyn
	limits   [3]uint32 // of sources, which the kernel keeps with each of them
	weekly   bool      // days are in it, which the kernel must take by UTC
}

// chain is a list of rules. A chain with a hook sees packets; one without is
// only reached by goto.
type chain struct {
	name  string
	hook  *hook
	rules []rule
}

// hook is where a base chain is attached.
type hook struct {
	kind     string // filter or nat
	point    string // prerouting, input, forward, postrouting
	priority string // by nft's names, or a number
	drop     bool   // the verdict for what reaches the end
}

// rule is statements in order; comment names whose rule it is.
type rule struct {
	statements []statement
	comment    string
}

// statement is one match or action, in both readings.
type statement interface {
	// text is nft syntax.
	text() string
	// exprs are the kernel's expressions for it.
	exprs(names setNames) []expr.Any
}

// setNames gives the ID a set has within the batch that adds it.
type setNames map[string]uint32

func (r *Ruleset) addSet(s set) string {
	r.sets = append(r.sets, s)
	return s.name
}

func (r *Ruleset) addChain(name string, h *hook, rules ...rule) {
	r.chains = append(r.chains, chain{name: name, hook: h, rules: rules})
}

// when builds a rule from statements.
func when(statements ...statement) rule { return rule{statements: statements} }
