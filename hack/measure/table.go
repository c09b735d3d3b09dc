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
	t := treeTable{trees: trees}
	t.addSizes("functions, lines", func(t *tree) []int { return t.functions })
	t.addSizes("files, lines", func(t *tree) []int { return t.files })
	t.addSizes("files of tests, lines", func(t *tree) []int { return t.testFiles })
	t.addNumber(fmt.Sprintf("lines of code over %d columns", codeColumns), func(t *tree) int { return t.longCode })
	t.addNumber(fmt.Sprintf("comments over %d columns", commentColumns), func(t *tree) int { return t.longComments })
	t.addNumber("README.md, bytes", func(t *tree) int { return t.readme })
	for _, pkg := range []string{"pkg/api", "pkg/signing", "cmd/proxy"} {
		t.addImports(pkg)
	}
	for _, name := range largeTypes(trees) {
		t.add("methods of "+name, func(t *tree) string {
			if n := t.methods[name]; n > 0 {
				return strconv.Itoa(n)
			}
			return "-"
		})
	}
	return t.rows
}

// treeTable collects rows with a value for each tree.
type treeTable struct {
	trees []*tree
	rows  []row
}

func (t *treeTable) add(name string, value func(*tree) string) {
	r := row{name: name}
	for _, one := range t.trees {
		r.values = append(r.values, value(one))
	}
	t.rows = append(t.rows, r)
}

func (t *treeTable) addNumber(name string, value func(*tree) int) {
	t.add(name, func(t *tree) string { return strconv.Itoa(value(t)) })
}

// addSizes adds the number of sizes and the most important quantiles.
func (t *treeTable) addSizes(what string, sizes func(*tree) []int) {
	t.addNumber(what+": number", func(t *tree) int { return len(sizes(t)) })
	for _, percent := range []int{50, 90, 99, 100} {
		t.add(fmt.Sprintf("%s: %d %%", what, percent), func(t *tree) string { return quantile(sizes(t), percent) })
	}
}

// addImports adds the packages of this module that pkg imports.
func (t *treeTable) addImports(pkg string) {
	t.addNumber("imports of "+pkg, func(t *tree) int { return len(t.imports[pkg]) })
	for _, to := range importedBy(t.trees, pkg) {
		t.add("  "+to, func(t *tree) string {
			if slices.Contains(t.imports[pkg], to) {
				return "yes"
			}
			return "-"
		})
	}
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
