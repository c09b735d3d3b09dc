package layers

import (
	"fmt"
	"slices"
	"strings"
)

// pkg is what the check needs to know about a package.
type pkg struct {
	Standard bool
	Imports  []string
}

// check returns a sorted list with one line for each import in graph that breaks the rules. graph
// holds the packages of this module and everything that they depend on, by import path.
func check(graph map[string]pkg) []string {
	var faults []string
	for _, path := range sortedKeys(graph) {
		own, ours := strings.CutPrefix(path, module)
		if !ours {
			continue
		}
		faults = append(faults, checkImports(own, graph[path].Imports, graph)...)
		if strings.HasPrefix(own, "cmd/") {
			faults = append(faults, checkLinked(own, graph)...)
		}
	}
	return faults
}

// checkImports compares the direct imports of own, a package of this module, with rules and owners.
func checkImports(own string, imports []string, graph map[string]pkg) []string {
	r, found := ruleFor(own)
	if !found {
		return []string{own + ": no row of the table covers this package; add one to hack/layers/rules.go"}
	}
	var faults []string
	for _, imp := range imports {
		target, ours := strings.CutPrefix(imp, module)
		switch {
		case graph[imp].Standard || imp == "C":
		case ours && !coveredByAny(r.may, target):
			faults = append(faults, fmt.Sprintf("%s imports %s; it may import %s", own, target, list(r.may)))
		case !ours && r.bare != nil && !within(imp, r.bare):
			faults = append(faults, fmt.Sprintf("%s imports %s; of other modules it may import %s", own, imp, list(r.bare)))
		case !ours:
			faults = append(faults, checkOwner(own, imp)...)
		}
	}
	return faults
}

// checkOwner reports an import of a third-party package that belongs to other packages.
func checkOwner(own, imp string) []string {
	for _, prefix := range sortedKeys(owners) {
		if within(imp, []string{prefix}) && !coveredByAny(owners[prefix], own) {
			return []string{fmt.Sprintf("%s imports %s, which belongs to %s", own, imp, list(owners[prefix]))}
		}
	}
	return nil
}

// checkLinked reports packages that a program links, directly or indirectly, and must not link.
func checkLinked(program string, graph map[string]pkg) []string {
	banned := slices.Concat(neverLinked[program], notInProcess)
	var faults []string
	for _, dep := range reachable(module+program, graph) {
		if within(dep, banned) {
			faults = append(faults, fmt.Sprintf("%s links %s, which must not be in it", program, dep))
		}
	}
	return faults
}

// reachable returns a sorted list of all packages on which from depends.
func reachable(from string, graph map[string]pkg) []string {
	seen := map[string]bool{}
	var visit func(string)
	visit = func(path string) {
		for _, imp := range graph[path].Imports {
			if !seen[imp] {
				seen[imp] = true
				visit(imp)
			}
		}
	}
	visit(from)
	return sortedKeys(seen)
}

func ruleFor(own string) (rule, bool) {
	for _, r := range rules {
		if covers(r.pkg, own) {
			return r, true
		}
	}
	return rule{}, false
}

// covers reports whether pattern, a path or a path with /..., covers path.
func covers(pattern, path string) bool {
	prefix, below := strings.CutSuffix(pattern, "/...")
	return path == prefix || below && strings.HasPrefix(path, prefix+"/")
}

func coveredByAny(patterns []string, path string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool { return covers(p, path) })
}

// within reports whether path is one of roots, or below one of them.
func within(path string, roots []string) bool {
	return slices.ContainsFunc(roots, func(r string) bool { return path == r || strings.HasPrefix(path, r+"/") })
}

func list(paths []string) string {
	if len(paths) == 0 {
		return "nothing"
	}
	return strings.Join(paths, ", ")
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
