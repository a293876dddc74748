package firewall

import (
	"fmt"
	"strings"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/google/nftables/userdata"
)

// elementsPerMessage keeps one message of set elements below 64 KiB: the
// length of the attribute is 16 bits wide and wraps without an error.
const elementsPerMessage = 500

// step adds one object to a batch. Every prefix of a ruleset's steps is a
// batch of its own, which is what finding the one at fault rests on.
type step struct {
	what string // for a person: `chain forward, rule 3 "web-in"`
	add  func(*nftables.Conn) error
	// messages is how many it is, if not one.
	messages int
	// finer are the parts of which one may be at fault.
	finer func() []step
}

// steps are the messages that make the table anew, in an order in which nothing
// refers to what is not there yet. Counters start at the given values;
// generation marks the table.
func (r Ruleset) steps(start map[string]Counter, generation string) []step {
	w := newWriting(tableName)
	out := []step{{what: "table " + tableName, messages: 3, add: func(c *nftables.Conn) error {
		// Deleting needs something to delete: with the first message the
		// batch is right whether or not the table is there.
		c.AddTable(w.table)
		c.DelTable(w.table)
		c.AddTable(w.table)
		return nil
	}}}
	out = append(append(out, w.objects(r, start)...), w.marker(generation))
	if r.dynamic != nil {
		out = append(out, r.dynamic.dynamicSteps(start)...)
	}
	return out
}

// writing is one or more batches about a table.
type writing struct {
	table *nftables.Table
	names setNames
	// as are the names in the kernel of sets that have others there.
	as map[string]string
	// renew: objects may be there already. What is in chains, and in sets that do
	// not keep their elements, is replaced.
	renew bool
}

func newWriting(table string) *writing {
	return &writing{table: &nftables.Table{Name: table, Family: nftables.TableFamilyINet}, names: setNames{}}
}

// objects are all that is in a table.
func (w *writing) objects(r Ruleset, start map[string]Counter) []step {
	var out []step
	for _, id := range r.counters {
		out = append(out, w.counter(id, start[id]))
	}
	if r.flows != nil {
		out = append(out, r.flows.step(w.table))
	}
	for _, ch := range r.chains {
		out = append(out, w.chain(ch))
	}
	for _, s := range r.sets {
		out = append(out, w.set(s)...)
	}
	return append(out, w.rules(r)...)
}

func (w *writing) counter(id string, start Counter) step {
	return step{what: "counter of rule " + id, add: func(c *nftables.Conn) error {
		c.AddObj(&nftables.NamedObj{
			Table: w.table, Name: counterName(id), Type: nftables.ObjTypeCounter,
			Obj: &expr.Counter{Packets: start.Packets, Bytes: start.Bytes},
		})
		return nil
	}}
}

func (w *writing) chain(ch chain) step {
	return step{what: "chain " + ch.name, messages: renewing(w.renew), add: func(c *nftables.Conn) error {
		k := c.AddChain(ch.kernel(w.table))
		if w.renew {
			c.FlushChain(k)
		}
		return nil
	}}
}

func (w *writing) set(s set) []step {
	if as, ok := w.as[s.name]; ok {
		s.name = as
	}
	return s.steps(w.table, w.names, w.renew && !s.keeps())
}

// rules are the rules of all chains.
func (w *writing) rules(r Ruleset) (out []step) {
	for _, ch := range r.chains {
		for i, line := range ch.rules {
			what := fmt.Sprintf("chain %s, rule %d", ch.name, i+1)
			if line.comment != "" {
				what += fmt.Sprintf(" %q", line.comment)
			}
			out = append(out, step{what: what, add: func(c *nftables.Conn) error {
				c.AddRule(w.rule(ch.name, line))
				return nil
			}, finer: func() []step { return w.growing(what, ch.name, line) }})
		}
	}
	return out
}

func (w *writing) marker(generation string) step {
	return step{what: "generation marker", add: func(c *nftables.Conn) error {
		c.AddChain(&nftables.Chain{Name: generation, Table: w.table})
		return nil
	}}
}

// renewing is how many messages add an object and perhaps empty it.
func renewing(renew bool) int {
	if renew {
		return 2
	}
	return 1
}

// growing are the beginnings of a rule: the first that the kernel refuses ends
// with what it lacks.
func (w *writing) growing(what, chain string, r rule) []step {
	var out []step
	for i, s := range r.statements {
		part := rule{statements: r.statements[:i+1]}
		out = append(out, step{what: fmt.Sprintf("%s, at %q", what, s.text()), add: func(c *nftables.Conn) error {
			c.AddRule(w.rule(chain, part))
			return nil
		}})
	}
	return out
}

func (w *writing) rule(chain string, r rule) *nftables.Rule {
	out := &nftables.Rule{Table: w.table, Chain: &nftables.Chain{Name: chain, Table: w.table}}
	for _, s := range r.statements {
		out.Exprs = append(out.Exprs, s.exprs(w.names)...)
	}
	for _, e := range out.Exprs {
		if l, ok := e.(*expr.Lookup); ok && w.as[l.SetName] != "" {
			l.SetName, l.SetID = w.as[l.SetName], 0
		}
	}
	if r.comment != "" {
		out.UserData = userdata.AppendString(nil, userdata.TypeComment, r.comment)
	}
	return out
}

func (c chain) kernel(table *nftables.Table) *nftables.Chain {
	out := &nftables.Chain{Name: c.name, Table: table}
	if c.hook == nil {
		return out
	}
	policy := nftables.ChainPolicyAccept
	if c.hook.drop {
		policy = nftables.ChainPolicyDrop
	}
	out.Policy = &policy
	out.Type = nftables.ChainType(c.hook.kind)
	out.Hooknum = map[string]*nftables.ChainHook{
		"output": nftables.ChainHookOutput, "prerouting": nftables.ChainHookPrerouting, "input": nftables.ChainHookInput,
		"forward": nftables.ChainHookForward, "postrouting": nftables.ChainHookPostrouting,
	}[c.hook.point]
	out.Priority = map[string]*nftables.ChainPriority{
		"raw": nftables.ChainPriorityRaw, "mangle": nftables.ChainPriorityMangle,
		"filter": nftables.ChainPriorityFilter, "srcnat": nftables.ChainPriorityNATSource, "dstnat": nftables.ChainPriorityNATDest,
		"-310": nftables.ChainPriorityRef(-310), "-290": nftables.ChainPriorityRef(-290), "-100": nftables.ChainPriorityRef(-100), "-5": nftables.ChainPriorityRef(-5), "-150": nftables.ChainPriorityRef(-150),
	}[c.hook.priority]
	return out
}

// kernel is the set as the library has it, without its elements.
func (s set) kernel(table *nftables.Table) *nftables.Set {
	k := &nftables.Set{
		Table: table, Name: s.name, KeyType: s.key.datatype, KeyByteOrder: s.key.order,
		Interval: s.key.interval, IsMap: s.verdicts || s.values != "", DataType: s.key.datatype,
		// Said of intervals only, as nft does: they take another kind of set.
		Concatenation: s.key.interval && s.key.concatenated(),
	}
	if s.verdicts {
		k.DataType = nftables.TypeVerdict
	}
	if s.filled {
		k.Dynamic, k.Size, k.HasTimeout, k.Timeout = true, mostSources, s.forget > 0, s.forget
	}
	if s.timed {
		k.HasTimeout, k.Counter, k.Size = true, true, maxBans
	}
	return k
}

func (s set) steps(table *nftables.Table, names setNames, renew bool) []step {
	k := s.kernel(table)
	first := step{what: "set " + s.name, messages: renewing(renew), add: func(c *nftables.Conn) error {
		k.ID = 0 // the batch that is being built gives a new one
		if err := c.AddSet(k, nil); err != nil {
			return err
		}
		names[s.name] = k.ID
		if renew {
			c.FlushSet(k)
		}
		return nil
	}}
	return append([]step{first}, s.fill(k)...)
}

// fill puts the elements in, each of which may be two for the kernel.
func (s set) fill(k *nftables.Set) []step {
	var out []step
	for first := 0; first < s.size(); first += elementsPerMessage / 2 {
		last := min(first+elementsPerMessage/2, s.size())
		out = append(out, step{what: fmt.Sprintf("set %s, elements from the %dth", s.name, first+1), add: func(c *nftables.Conn) error {
			return c.SetAddElements(k, s.kernelElements(first, last))
		}, finer: func() []step { return s.fillSingly(k, first, last) }})
	}
	return out
}

// fillSingly puts the elements in one by one.
func (s set) fillSingly(k *nftables.Set, first, last int) []step {
	var out []step
	i := first
	for e := range s.part(first, last) {
		n := i
		out = append(out, step{what: fmt.Sprintf("set %s, element %s", s.name, e.name()), add: func(c *nftables.Conn) error {
			return c.SetAddElements(k, s.kernelElements(n, n+1))
		}})
		i++
	}
	return out
}

// name is for a person: the key, and whose it is.
func (e element) name() string {
	chain, ok := strings.CutPrefix(string(e.verdict), gotoKeyword)
	if !ok {
		return e.label
	}
	if id, ok := strings.CutPrefix(chain, "within_"); ok {
		return e.label + " of rule " + id
	}
	if id, ok := strings.CutPrefix(chain, "do_"); ok {
		return e.label + " of rule " + id[:strings.LastIndexByte(id, '_')]
	}
	return e.label
}
