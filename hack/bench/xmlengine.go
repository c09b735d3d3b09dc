package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"text/tabwriter"
)

// The goals of the case xml-engine.
const (
	xmlTimes = 5  // time, as a multiple of the time of SHA-256 of the same document
	xmlRSS   = 16 // MiB
)

// xmlDocuments are the documents of the case xml-engine.
var xmlDocuments = []struct {
	shape *xmlShape
	size  int64
	name  string
	goal  bool // it has to meet xmlTimes
}{
	{&xmlShapes[0], 50_000_000, "50 MB " + xmlShapes[0].name, true},
	{&xmlShapes[1], 50_000_000, "50 MB " + xmlShapes[1].name, true},
	{&xmlShapes[2], 50_000_000, "50 MB " + xmlShapes[2].name, false}, // no invoice looks like this
	{&xmlShapes[3], 50_000_000, "50 MB " + xmlShapes[3].name, true},
	{&xmlShapes[0], 1_000_000_000, "1 GB " + xmlShapes[0].name, false}, // the goal is its memory
}

// xmlEngine signs large XML documents, each in a separate process, and compares the time with that
// of SHA-256 of the same file. Signing includes the check of the signed document: it is parsed
// again from its first byte, and all its references are computed again.
func (b *bench) xmlEngine(ctx context.Context) error {
	dir, err := os.MkdirTemp(b.temp, "bench-")
	if err != nil {
		return fmt.Errorf("make folder: %w", err)
	}
	defer os.RemoveAll(dir)
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "engine, one XML document\ttime\tSHA-256\ttime / SHA-256\tCPU / CPU of SHA-256\tpeak RSS")
	var all []*alone
	for _, d := range xmlDocuments {
		fmt.Fprintf(os.Stderr, "xml-engine, %s ...\n", d.name)
		path := filepath.Join(dir, "document.xml")
		if err := writeXML(path, d.shape, d.size, 1); err != nil {
			return err
		}
		took, err := runAlone(ctx, path)
		if err != nil {
			return fmt.Errorf("%s: %w", d.name, err)
		}
		all = append(all, took)
		fmt.Fprintf(w, "%s\t%s\t%s\t%.1f\t%.1f\t%.0f MiB\n", d.name, ms(took.Sign), ms(took.Hash),
			ratio(took.Sign, took.Hash), ratio(took.SignCPU, took.HashCPU), float64(took.Peak)/(1<<20))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for i, d := range xmlDocuments {
		if d.goal {
			b.goals.atMost("xml-engine, "+d.name+": time / SHA-256", ratio(all[i].Sign, all[i].Hash), xmlTimes, "")
		}
		b.goals.rss("xml-engine, "+d.name, all[i].Peak, xmlRSS)
	}
	return nil
}
