package main

import (
	"fmt"
	"io"
	"strings"
)

// goals judges the results of the cases and prints each verdict in one form. With -strict a missed
// goal fails the run.
type goals struct {
	out    io.Writer
	known  int
	missed []string
}

const mebibytes = " MiB"

// atMost judges a measured value, a ratio or a number with a unit. A value of 0 means that nothing
// was measured, and misses the goal.
func (g *goals) atMost(what string, got, limit float64, unit string) {
	g.judge(what, got, got > 0 && got <= limit, "at most", limit, unit)
}

// atLeast is atMost for a lower bound.
func (g *goals) atLeast(what string, got, limit float64, unit string) {
	g.judge(what, got, got > 0 && got >= limit, "at least", limit, unit)
}

func (g *goals) judge(what string, got float64, met bool, bound string, limit float64, unit string) {
	g.known++
	verdict := "met"
	if !met {
		verdict = "MISSED"
		g.missed = append(g.missed, what)
	}
	fmt.Fprintf(g.out, "  goal: %s: %s%s, %s %s%s: %s\n", what, short(got), unit, bound, short(limit), unit, verdict)
}

// rss judges a peak of memory in bytes. The limit is in MiB.
func (g *goals) rss(what string, peak int64, limit float64) {
	g.atMost(what+": peak RSS", float64(peak)/(1<<20), limit, mebibytes)
}

// disk judges the peak size of the state folder in bytes. documents is the number of documents that
// it held, and payload their size in all.
func (g *goals) disk(what string, peak, payload int64, documents int) {
	bound := 1.05*float64(payload) + 40e3*float64(documents) + 16e6
	g.atMost(what+": peak state / (1.05 x payload + 40 KB a document + 16 MB)", float64(peak)/bound, 1, "")
}

// err returns an error that names the missed goals, or nil.
func (g *goals) err() error {
	if len(g.missed) == 0 {
		return nil
	}
	return fmt.Errorf("%d of %d goals missed: %s", len(g.missed), g.known, strings.Join(g.missed, "; "))
}

// short is a number with the digits that can be trusted.
func short(v float64) string {
	if v >= 10 {
		return fmt.Sprintf("%.0f", v)
	}
	return fmt.Sprintf("%.2f", v)
}
