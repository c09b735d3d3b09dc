package main

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"text/tabwriter"
)

// row is one figure with its value in each checkout.
type row struct {
	name   string
	values []string
}

// printTable prints rows with a column for each checkout.
func printTable(w io.Writer, checkouts []checkout, rows []row) error {
	table := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	for _, c := range checkouts {
		fmt.Fprintf(table, "\t%s", c.name)
	}
	fmt.Fprintln(table)
	for _, r := range rows {
		fmt.Fprint(table, r.name)
		for _, v := range r.values {
			fmt.Fprintf(table, "\t%s", v)
		}
		fmt.Fprintln(table)
	}
	return table.Flush()
}

// treeRows returns the figures of all trees.
func treeRows(trees []*tree) []row {
	var rows []row
	add := func(name string, value func(*tree) string) {
		r := row{name: name}
		for _, t := range trees {
			r.values = append(r.values, value(t))
		}
		rows = append(rows, r)
	}
	for _, s := range []struct {
		what  string
		sizes func(*tree) []int
	}{
		{"functions, lines", func(t *tree) []int { return t.functions }},
		{"files, lines", func(t *tree) []int { return t.files }},
		{"files of tests, lines", func(t *tree) []int { return t.testFiles }},
	} {
		add(s.what+": number", func(t *tree) string { return strconv.Itoa(len(s.sizes(t))) })
		for _, percent := range []int{50, 90, 99, 100} {
			name := fmt.Sprintf("%s: %d %%", s.what, percent)
			add(name, func(t *tree) string { return quantile(s.sizes(t), percent) })
		}
	}
	add(fmt.Sprintf("lines of code over %d columns", codeColumns), func(t *tree) string {
		return strconv.Itoa(t.longCode)
	})
	add(fmt.Sprintf("comments over %d columns", commentColumns), func(t *tree) string {
		return strconv.Itoa(t.longComments)
	})
	add("README.md, bytes", func(t *tree) string { return strconv.FormatInt(t.readme, 10) })
	for _, pkg := range []string{"pkg/api", "pkg/signing", "cmd/proxy"} {
		add("imports of "+pkg, func(t *tree) string { return strconv.Itoa(len(t.imports[pkg])) })
		for _, to := range importedBy(trees, pkg) {
			add("  "+to, func(t *tree) string {
				if slices.Contains(t.imports[pkg], to) {
					return "yes"
				}
				return "-"
			})
		}
	}
	for _, name := range largeTypes(trees) {
		add("methods of "+name, func(t *tree) string { return cmp.Or(count(t.methods[name]), "-") })
	}
	return rows
}

// importedBy returns the packages of this module that pkg imports in one of the trees.
func importedBy(trees []*tree, pkg string) []string {
	var all []string
	for _, t := range trees {
		all = append(all, t.imports[pkg]...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// count returns n as text. It is empty for 0.
func count(n int) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(n)
}

// largeTypes returns the names of the types that have more than manyMethods methods in one of the
// trees, the largest first.
func largeTypes(trees []*tree) []string {
	most := map[string]int{}
	for _, t := range trees {
		for name, n := range t.methods {
			if n > manyMethods {
				most[name] = max(most[name], n)
			}
		}
	}
	return slices.SortedFunc(maps.Keys(most), func(a, b string) int {
		return cmp.Or(most[b]-most[a], cmp.Compare(a, b))
	})
}

// quantile returns the size that the given percentage of sizes does not exceed.
func quantile(sizes []int, percent int) string {
	if len(sizes) == 0 {
		return "-"
	}
	sorted := slices.Sorted(slices.Values(sizes))
	return strconv.Itoa(sorted[min(len(sorted)*percent/100, len(sorted)-1)])
}
