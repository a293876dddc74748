package firewall

import (
	"encoding/binary"
	"maps"
	"slices"
	"strings"

	"github.com/google/nftables"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// heldTable is what the kernel has under our table's name; nil: no such table.
type heldTable struct {
	chains     map[string]attached
	sets       map[string]kernelSet
	flowtables []string
	counters   []Counter
	// objects is how many there are, counters and others.
	objects int
}

// attached is where a chain hangs; the zero value: nowhere.
type attached struct {
	kind     nftables.ChainType
	hook     nftables.ChainHook
	priority nftables.ChainPriority
}

// lookAtTable reads the names of all that is in the table.
func lookAtTable() (*heldTable, error) {
	t := &heldTable{chains: map[string]attached{}}
	err := dump("chains", unix.NFT_MSG_GETCHAIN, nil, func(attributes []byte) error {
		name, at, err := readChain(attributes)
		if name != "" {
			t.chains[name] = at
		}
		return err
	})
	if err != nil || len(t.chains) == 0 {
		return nil, err // what we apply has chains
	}
	names := func(what string, kind, table, name uint16, out *[]string) {
		if err == nil {
			err = dump(what, kind, []netlink.Attribute{named(table, tableName)}, func(attributes []byte) error {
				return ofTable(tableName, attributes, table, name, func(n string) { *out = append(*out, n) })
			})
		}
	}
	t.sets, err = heldSets()
	names("flow tables", unix.NFT_MSG_GETFLOWTABLE, nftables.NFTA_FLOWTABLE_TABLE, nftables.NFTA_FLOWTABLE_NAME, &t.flowtables)
	var objects []string
	names("objects", unix.NFT_MSG_GETOBJ, unix.NFTA_OBJ_TABLE, unix.NFTA_OBJ_NAME, &objects)
	if err != nil {
		return nil, err
	}
	t.counters, err = readCounters(tableName)
	t.objects = len(objects)
	return t, err
}

// readChain reads a chain of our table; the name is empty for those of others.
func readChain(attributes []byte) (name string, at attached, err error) {
	if err := ofTable(tableName, attributes, unix.NFTA_CHAIN_TABLE, unix.NFTA_CHAIN_NAME, func(n string) { name = n }); err != nil || name == "" {
		return "", at, err
	}
	d, err := netlink.NewAttributeDecoder(attributes)
	if err != nil {
		return "", at, err
	}
	for d.Next() {
		switch d.Type() {
		case unix.NFTA_CHAIN_TYPE:
			at.kind = nftables.ChainType(d.String())
		case unix.NFTA_CHAIN_HOOK:
			d.Nested(func(in *netlink.AttributeDecoder) error {
				in.ByteOrder = binary.BigEndian
				for in.Next() {
					switch in.Type() {
					case unix.NFTA_HOOK_HOOKNUM:
						at.hook = nftables.ChainHook(in.Uint32())
					case unix.NFTA_HOOK_PRIORITY:
						at.priority = nftables.ChainPriority(int32(in.Uint32()))
					}
				}
				return nil
			})
		}
	}
	return name, at, d.Err()
}

// attached is where a chain of ours is to hang.
func (c chain) attached() (at attached) {
	k := c.kernel(nil)
	if k.Hooknum != nil {
		at = attached{k.Type, *k.Hooknum, *k.Priority}
	}
	return at
}

// fits says that the ruleset can be written into the table: everything in it is
// of kinds that we write, and no chain hangs elsewhere than it must.
func (t *heldTable) fits(r Ruleset) bool {
	for _, ch := range r.chains {
		if at, there := t.chains[ch.name]; there && at != ch.attached() {
			return false
		}
	}
	return t.objects == len(t.counters)
}

// otherNames are the sets of ranges whose name is in use, with a name that is not.
func (t *heldTable) otherNames(r Ruleset) map[string]string {
	out := map[string]string{}
	for _, s := range r.sets {
		if !s.key.interval {
			continue
		}
		for _, suffix := range suffixes {
			if _, used := t.sets[s.name+suffix]; !used {
				out[s.name] = s.name + suffix
				break
			}
		}
	}
	return out
}

// suffixes of the names of sets: two take turns, a third is for when a process
// ended between two batches.
var suffixes = []string{"", ".b", ".c"}

// inPlace are the batches that write a ruleset into the table in force, so that
// every packet is decided by the old rules or by the new ones, whole. A table that
// is deleted and made anew decides some packets wrong, from the moment that the
// new rules count until the kernel is done with all else in the batch, which for
// 10,000 rules is many milliseconds:
//
//	the old chains are without rules, and still attached, with the verdict drop;
//	the new sets of ranges are empty: their elements count only then.
//
// So chains stay attached, and have the old rules at one moment and the new ones
// at the next; and sets of ranges come first, in a batch of their own, under names
// that are free, with the chains that they lead to. Undo removes what that
// brought, if the second batch is refused. Counters go on.
func (r Ruleset) inPlace(start map[string]Counter, generation string, held *heldTable) (prepare, swap, undo []step) {
	w := newWriting(tableName)
	w.as = held.otherNames(r)
	for _, ch := range r.chains {
		if _, there := held.chains[ch.name]; !there && ch.hook == nil {
			prepare, undo = append(prepare, w.chain(ch)), append(undo, w.remove("chain", ch.name))
		}
	}
	for _, s := range r.sets {
		if as, other := w.as[s.name]; other {
			prepare, undo = append(prepare, w.set(s)...), append(undo, w.remove("set", as))
		}
	}
	slices.Reverse(undo) // sets lead to chains

	swap = held.empty(w, r)
	counted := map[string]bool{}
	for _, c := range held.counters {
		counted[c.Rule] = true
	}
	for _, id := range r.counters {
		if !counted[id] {
			swap = append(swap, w.counter(id, start[id]))
		}
	}
	if r.flows != nil {
		swap = append(swap, r.flows.step(w.table))
	}
	for _, ch := range r.chains {
		if ch.hook != nil {
			swap = append(swap, w.chain(ch))
		}
	}
	for _, s := range r.sets {
		if _, other := w.as[s.name]; !other {
			swap = append(swap, w.set(s)...)
		}
	}
	swap = append(append(swap, w.rules(r)...), w.marker(generation))
	if r.dynamic != nil {
		swap = append(swap, r.dynamic.dynamicSteps(start)...)
	}
	return prepare, swap, undo
}

// empty removes all rules from the table, and what the new ruleset has not.
func (t *heldTable) empty(w *writing, r Ruleset) []step {
	out := []step{{what: "the rules in force", add: func(c *nftables.Conn) error {
		c.FlushTable(w.table)
		return nil
	}}}
	for _, name := range t.flowtables {
		out = append(out, w.remove("flow table", name))
	}
	for _, name := range slices.Sorted(maps.Keys(t.sets)) {
		out = append(out, w.remove("set", name))
	}
	stay, counted := map[string]bool{}, map[string]bool{}
	for _, ch := range r.chains {
		stay[ch.name] = true
	}
	for _, name := range slices.Sorted(maps.Keys(t.chains)) {
		if !stay[name] {
			out = append(out, w.remove("chain", name))
		}
	}
	for _, id := range r.counters {
		counted[id] = true
	}
	for _, held := range t.counters {
		if !counted[held.Rule] {
			out = append(out, w.remove("counter", counterName(held.Rule)))
		}
	}
	return out
}

// remove takes something out of the table by its name.
func (w *writing) remove(what, name string) step {
	return step{what: what + " " + name + " in force", add: func(c *nftables.Conn) error {
		switch what {
		case "flow table":
			c.DelFlowtable(&nftables.Flowtable{Table: w.table, Name: name})
		case "set":
			c.DelSet(&nftables.Set{Table: w.table, Name: name})
		case "chain":
			c.DelChain(&nftables.Chain{Table: w.table, Name: name})
		default:
			c.DeleteObject(&nftables.NamedObj{Table: w.table, Name: name, Type: nftables.ObjTypeCounter})
		}
		return nil
	}}
}

// nameInKernel is the name that a set has in the kernel, of those that are there.
func nameInKernel(name string, there map[string]kernelSet) string {
	for _, suffix := range suffixes {
		if _, ok := there[name+suffix]; ok {
			return name + suffix
		}
	}
	return name
}

// heldGeneration is the marker of the ruleset the kernel holds; empty without
// a table of ours.
func heldGeneration() (string, error) {
	generation := ""
	err := heldChains(func(name string) {
		if strings.HasPrefix(name, generationPrefix) {
			generation = name
		}
	})
	return generation, err
}
