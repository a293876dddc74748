package main

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// usualModules are loaded before the tests run. The kernel would ask for each by
// itself, but for every one it begins a whole batch of nf_tables anew, which costs
// half a minute without KVM. What else is needed loads when it is needed.
var usualModules = []string{
	"veth", "nf_tables", "nf_conntrack", "nf_conntrack_netlink", "nfnetlink_log", "nfnetlink_queue",
	"nft_ct", "nft_log", "nft_limit", "nft_objref", "nft_hash", "nft_fib_inet", "nft_reject_inet",
	"nft_chain_nat", "nft_nat", "nft_masq", "nft_redir", "nft_flow_offload", "nf_flow_table_inet",
}

// loadOrder are the files that bring the modules, each behind those that it needs
// (modules.dep, modules.softdep), as paths below the modules' directory. Modules
// that the kernel has built in or that it shall lack have none.
func loadOrder(dir string, names, without []string) ([]string, error) {
	needs, files := map[string][]string{}, map[string]string{}
	if err := eachLine(filepath.Join(dir, "modules.dep"), func(line string) {
		file, rest, _ := strings.Cut(line, ":")
		files[moduleName(file)] = file
		for _, f := range strings.Fields(rest) {
			needs[moduleName(file)] = append(needs[moduleName(file)], moduleName(f))
		}
	}); err != nil {
		return nil, err
	}
	// softdep NAME pre: A B post: C
	if err := eachLine(filepath.Join(dir, "modules.softdep"), func(line string) {
		words := strings.Fields(line)
		if len(words) < 3 || words[0] != "softdep" {
			return
		}
		for _, w := range words[2:] {
			if !strings.HasSuffix(w, ":") {
				needs[words[1]] = append(needs[words[1]], strings.ReplaceAll(w, "-", "_"))
			}
		}
	}); err != nil {
		return nil, err
	}
	var out []string
	seen := map[string]bool{}
	// visit says whether the module can be there at all.
	var visit func(name string) bool
	visit = func(name string) bool {
		if slices.Contains(without, name) {
			return false
		}
		file, known := files[name]
		if seen[name] || !known {
			return true
		}
		seen[name] = true
		for _, n := range needs[name] {
			if !visit(n) {
				return false
			}
		}
		out = append(out, file)
		return true
	}
	for _, name := range names {
		visit(name)
	}
	if len(out) == 0 && len(names) > 0 {
		return nil, fmt.Errorf("%s has none of the modules", dir)
	}
	return out, nil
}

func eachLine(path string, do func(line string)) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		do(lines.Text())
	}
	return lines.Err()
}
