package main

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/signstash-proxy/signstash-proxy/hack/verify"
)

// check verifies each signed document with signctl verify and with all independent verifiers that
// are installed. It prints which of them judged it.
func (r *run) check(ctx context.Context) error {
	v, err := verify.New(ctx, r.proxy.CAFile)
	if err != nil {
		return err
	}
	defer v.Close()
	faults := 0
	for _, mode := range modes {
		for _, b := range r.batches {
			for _, original := range b.files {
				signed := filepath.Join(r.out, mode, filepath.Base(original)+b.suffix)
				if !r.checkFile(ctx, v, original, signed) {
					faults++
				}
			}
		}
	}
	if missing := verify.Missing(); len(missing) > 0 {
		fmt.Println("  not used, because not installed:", strings.Join(missing, ", "), "(make tools installs them)")
	}
	if faults > 0 {
		return fmt.Errorf("%d documents are not signed correctly", faults)
	}
	return nil
}

// checkFile verifies one signed document, and prints the result. It reports whether it is valid.
func (r *run) checkFile(ctx context.Context, v *verify.Verifier, original, signed string) bool {
	report := v.File(ctx, original, signed)
	asked, wrong := append([]string{"signctl verify"}, report.Asked...), report.Faults
	if err := r.verify(ctx, signed); err != nil {
		wrong = append(wrong, err.Error())
	}
	if len(wrong) > 0 {
		fmt.Printf("  WRONG %-50s %s\n", signed, strings.Join(wrong, "; "))
		return false
	}
	fmt.Printf("  valid %-50s judged by %s\n", signed, strings.Join(asked, ", "))
	return true
}

// formats are the signature formats by the extension of a signed file.
var formats = map[string]string{".pdf": "PAdES", ".xml": "XAdES", ".p7m": "CAdES"}

// verify runs signctl verify, which reads and hashes the whole finished file again.
func (r *run) verify(ctx context.Context, signed string) error {
	cmd := exec.CommandContext(ctx, filepath.Join(r.bin, "signctl"), "verify", "--ca", r.proxy.CAFile, signed)
	out, err := cmd.CombinedOutput()
	want := formats[filepath.Ext(signed)] + " " + r.remote.level()
	switch {
	case err != nil:
		return fmt.Errorf("signctl verify: %w: %s", err, strings.Join(strings.Fields(string(out)), " "))
	case !strings.Contains(string(out), want+"\n"):
		return fmt.Errorf("signctl verify: not of level %s", want)
	}
	return nil
}
