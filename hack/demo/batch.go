package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// modes are the ways to sign.
var modes = []string{"sync", "async"}

// batch holds documents that are signed with one call of signctl.
type batch struct {
	files []string
	flags []string
	// suffix is what signctl adds to the names.
	suffix string
}

// batchesOf returns the samples to sign: all of them by their content, and the FatturaPA once more
// as a .p7m, because Italy accepts both.
func batchesOf(samples string) ([]batch, error) {
	var all batch
	for _, pattern := range []string{"*.pdf", "*.xml"} {
		files, err := filepath.Glob(filepath.Join(samples, pattern))
		if err != nil || len(files) == 0 {
			return nil, fmt.Errorf("no documents %s in %s", pattern, samples)
		}
		all.files = append(all.files, files...)
	}
	fatturaPA := filepath.Join(samples, "fatturapa-windows1252.xml")
	return []batch{all, {files: []string{fatturaPA}, flags: []string{"--type", "CAdES"}, suffix: ".p7m"}}, nil
}

// documents returns how many signed documents there will be in each mode.
func (r *run) documents() int {
	n := 0
	for _, b := range r.batches {
		n += len(b.files)
	}
	return n
}

// signctl signs the documents of a batch.
func (r *run) signctl(ctx context.Context, mode string, b batch) error {
	args := []string{"sign", "--level", r.remote.level(), "--mode", mode, "--out", filepath.Join(r.out, mode)}
	args = append(append(args, b.flags...), b.files...)
	cmd := exec.CommandContext(ctx, filepath.Join(r.bin, "signctl"), args...)
	cmd.Env = append(os.Environ(),
		"SIGNSTASH_URL="+r.proxy.URL, "SIGNSTASH_CLIENT_ID="+clientID, "SIGNSTASH_SECRET="+r.secret)
	cmd.Stderr = os.Stdout
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("signctl: %w", err)
	}
	return nil
}
