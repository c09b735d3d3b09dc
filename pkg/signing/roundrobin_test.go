package signing

import (
	"slices"
	"strings"
	"testing"
)

// TestRoundRobin: values are taken from the lines in turn, values that were put back come first in
// their line, and lines that are not allowed are skipped.
func TestRoundRobin(t *testing.T) {
	takeAll := func(r *roundRobin[string, string], skip string) string {
		var out []string
		for {
			v, ok := r.take(func(key string) bool { return key != skip })
			if !ok {
				return strings.Join(out, " ")
			}
			out = append(out, v)
		}
	}
	for name, c := range map[string]struct {
		change     func(*roundRobin[string, string])
		skip, want string
		left       int
	}{
		"in turn":    {func(*roundRobin[string, string]) {}, "", "a1 b1 c1 a2 c2 a3", 0},
		"skipped":    {func(*roundRobin[string, string]) {}, "a", "b1 c1 c2", 3},
		"put back":   {func(r *roundRobin[string, string]) { r.pushFront("b", "b0") }, "", "a1 b0 c1 a2 b1 c2 a3", 0},
		"new line":   {func(r *roundRobin[string, string]) { r.push("d", "d1", "d2") }, "", "a1 b1 c1 d1 a2 c2 d2 a3", 0},
		"after a":    {func(r *roundRobin[string, string]) { takeOne(r) }, "", "b1 c1 a2 c2 a3", 0},
		"line ends":  {func(r *roundRobin[string, string]) { takeOne(r); takeOne(r) }, "", "c1 a2 c2 a3", 0},
		"removed":    {func(r *roundRobin[string, string]) { removeOf(r, "b1", "a2") }, "", "a1 c1 a3 c2", 0},
		"turn moves": {func(r *roundRobin[string, string]) { takeOne(r); removeOf(r, "a2", "a3") }, "", "b1 c1 c2", 0},
	} {
		t.Run(name, func(t *testing.T) {
			var r roundRobin[string, string]
			r.push("a", "a1", "a2", "a3")
			r.push("b", "b1")
			r.push("c", "c1", "c2")
			c.change(&r)
			if got := takeAll(&r, c.skip); got != c.want || r.n != c.left {
				t.Errorf("values = %s and %d left, want %s and %d left", got, r.n, c.want, c.left)
			}
		})
	}
}

func takeOne(r *roundRobin[string, string]) { r.take(func(string) bool { return true }) }

func removeOf(r *roundRobin[string, string], values ...string) {
	r.remove(func(v string) bool { return slices.Contains(values, v) })
}
