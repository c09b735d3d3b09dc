package main

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
	"unicode"

	"github.com/signstash-proxy/signstash-proxy/pkg/pades"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

const verifyHelp = `signctl verify FILES... [--ca FILE]

Says of each signature in PDF files whether it is valid, which level it has, what it covers, and what was changed after it. Nobody
is asked over the network: revocation after the fact is not seen. Without --ca it is not judged whether a certificate is trusted.

Exit code 0 only if every file has a signature and all of them are valid.
`

func runVerify(ctx context.Context, args []string, s streams) error {
	fs := newFlags("verify", verifyHelp, s)
	caFile := fs.String("ca", "", "PEM `file` of the certification authorities to trust, for signers and for timestamps")
	paths, err := parse(fs, args)
	if err != nil {
		return err
	}
	if len(paths) == 0 {
		return usageError{errors.New("no files")}
	}
	var options pades.VerifyOptions
	if *caFile != "" {
		options.Roots = x509.NewCertPool()
		if err := trust(options.Roots, *caFile); err != nil {
			return err
		}
	}
	bad := false
	for _, path := range paths {
		report, err := verifyFile(ctx, path, options)
		if err != nil {
			bad = true
			fmt.Fprintf(s.err, "FAILED %s: %s\n", printable(path), printable(reason(err)))
			continue
		}
		bad = bad || !report.Valid()
		printReport(s.out, path, report)
	}
	if bad {
		return errNamed
	}
	return nil
}

func verifyFile(ctx context.Context, path string, options pades.VerifyOptions) (*pades.Report, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	return pades.Verify(ctx, f, info.Size(), options)
}

// reason is what a person is told of an error: the domain's own words where there are some.
func reason(err error) string {
	var e *signing.Error
	if errors.As(err, &e) && e.Detail != "" {
		return e.Detail
	}
	return cause(err)
}

func printReport(w io.Writer, path string, r *pades.Report) {
	verdict := "valid"
	switch {
	case len(r.Signatures) == 0:
		verdict = "not signed"
	case !r.Valid():
		verdict = "NOT VALID"
	}
	fmt.Fprintf(w, "%s: %s\n", printable(path), verdict)
	for i := range r.Signatures {
		printSignature(w, i+1, &r.Signatures[i], r.Size)
	}
}

func printSignature(w io.Writer, number int, s *pades.SignatureReport, size int64) {
	verdict, kind := "valid", "signature"
	if !s.Valid() {
		verdict = "NOT VALID"
	}
	if s.Timestamp {
		kind = "document timestamp"
	}
	fmt.Fprintf(w, "  %d %s %q: %s", number, kind, s.Field, verdict)
	if s.Level != "" {
		fmt.Fprintf(w, ", PAdES %s", s.Level)
	}
	fmt.Fprintln(w)
	if s.Certificate != nil {
		fmt.Fprintf(w, "    by       %s\n    issuer   %s\n", printable(s.Certificate.Subject.String()), printable(s.Certificate.Issuer.String()))
	}
	if !s.Claimed.IsZero() {
		fmt.Fprintf(w, "    claimed  %s\n", s.Claimed.Format(time.RFC3339))
	}
	if !s.Stamped.IsZero() {
		fmt.Fprintf(w, "    stamped  %s\n", s.Stamped.Format(time.RFC3339))
	}
	if s.Whole {
		fmt.Fprintf(w, "    covers   the whole file\n")
	} else {
		fmt.Fprintf(w, "    covers   the first %d of %d bytes\n", s.End, size)
	}
	for _, group := range []struct {
		word  string
		lines []string
	}{{"FAULT", s.Faults}, {"TAMPERED", s.Tampered}, {"changed", s.Changes}, {"note", s.Notes}} {
		for _, line := range group.lines {
			fmt.Fprintf(w, "    %-8s %s\n", group.word, printable(line))
		}
	}
}

// printable replaces what a file could use to play with the terminal.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, text)
}
