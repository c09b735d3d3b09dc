package main

import (
	"fmt"
	"io"
	"strings"
)

// goals are what the cases must show. Each is printed in one form once it is known; -strict fails
// where one was missed.
type goals struct {
	out    io.Writer
	known  int
	missed []string
}

const mebibytes = " MiB"

// atMost and atLeast judge what was measured, a ratio or a number of some unit. Nothing measured
// meets no goal.
func (g *goals) atMost(what string, got, limit float64, unit string) {
	g.judge(what, got, got > 0 && got <= limit, "at most", limit, unit)
}

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

// rss judges a peak, in bytes; the limit is in MiB.
func (g *goals) rss(what string, peak int64, limit float64) {
	g.atMost(what+": peak RSS", float64(peak)/(1<<20), limit, mebibytes)
}

// disk judges the most bytes that the state folder took while it held so many documents of payload
// bytes in all.
func (g *goals) disk(what string, peak, payload int64, documents int) {
	bound := 1.05*float64(payload) + 40e3*float64(documents) + 16e6
	g.atMost(what+": peak state / (1.05 x payload + 40 KB a document + 16 MB)", float64(peak)/bound, 1, "")
}

// err tells of what was missed.
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
