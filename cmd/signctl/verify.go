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

Checks the signatures in PDF files. For each signature it prints whether it is valid, its level, what it
covers, and what was changed after it. It does not use the network, so it does not see a later revocation.
Without --ca it does not check whether a certificate is trusted.

NOT VALID means that a signature is wrong, or that the document was changed after it was signed. CANNOT BE
JUDGED means that this program does not support the form, the algorithm or the certificate of a signature.
Such a signature may be valid.

A certificate is checked at the time of signing. The line "judged" shows which time this is: the time of the
timestamp if there is one, otherwise the time that the signer claims (without proof), otherwise the current
time. With --ca, only timestamps of trusted authorities count. Without --ca, timestamps of all authorities
count.

The exit code is 0 only if every file has a signature and all signatures are valid.
`

func runVerify(ctx context.Context, args []string, s streams) error {
	fs := newFlags("verify", verifyHelp, s)
	caFile := fs.String("ca", "", "PEM `file` of the certificate authorities to trust, for signers and for timestamps")
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
		if err := addTrusted(options.Roots, *caFile); err != nil {
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
		return errReported
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

// reason returns the text of an error for a person. It is the detail of a domain error if there is
// one.
func reason(err error) string {
	var e *signing.Error
	if errors.As(err, &e) && e.Detail != "" {
		return e.Detail
	}
	return cause(err)
}

// verdicts maps each verdict to words for a person.
var verdicts = map[pades.Verdict]string{
	pades.Unsigned: "not signed", pades.Good: "valid",
	pades.CannotBeJudged: "CANNOT BE JUDGED", pades.Broken: "NOT VALID",
}

// timeSources says in words where the time comes from at which a certificate is judged. OwnTime is
// for the certificate of a timestamp authority: the timestamp itself names the time.
var timeSources = map[pades.TimeSource]string{
	pades.OwnTime: "its own time", pades.StampedTime: "the time of its timestamp",
	pades.ClaimedTime: "the time that the signer claims", pades.VerifyTime: "now, because it names no time",
}

func printReport(w io.Writer, path string, r *pades.Report) {
	fmt.Fprintf(w, "%s: %s\n", printable(path), verdicts[r.Verdict()])
	for i := range r.Signatures {
		printSignature(w, i+1, &r.Signatures[i], r.Size)
	}
}

func printSignature(w io.Writer, number int, s *pades.SignatureReport, size int64) {
	verdict, kind := verdicts[s.Verdict()], "signature"
	if s.Timestamp {
		kind = "document timestamp"
	}
	fmt.Fprintf(w, "  %d %s %q: %s", number, kind, s.Field, verdict)
	if s.Level != "" {
		fmt.Fprintf(w, ", PAdES %s", s.Level)
	}
	fmt.Fprintln(w)
	if s.Certificate != nil {
		fmt.Fprintf(w, "    by       %s\n    issuer   %s\n",
			printable(s.Certificate.Subject.String()), printable(s.Certificate.Issuer.String()))
	}
	if !s.Claimed.IsZero() {
		fmt.Fprintf(w, "    claimed  %s\n", s.Claimed.Format(time.RFC3339))
	}
	if !s.Stamped.IsZero() {
		fmt.Fprintf(w, "    stamped  %s\n", s.Stamped.Format(time.RFC3339))
	}
	if s.JudgedBy != pades.NoTime {
		fmt.Fprintf(w, "    judged   %s, %s\n", s.Judged.UTC().Format(time.RFC3339), timeSources[s.JudgedBy])
	}
	if s.Whole {
		fmt.Fprintf(w, "    covers   the whole file\n")
	} else {
		fmt.Fprintf(w, "    covers   the first %d of %d bytes\n", s.End, size)
	}
	for _, group := range []struct {
		word  string
		lines []string
	}{{"FAULT", s.Faults}, {"UNKNOWN", s.Unjudged}, {"TAMPERED", s.Tampered}, {"changed", s.Changes}, {"note", s.Notes}} {
		for _, line := range group.lines {
			fmt.Fprintf(w, "    %-8s %s\n", group.word, printable(line))
		}
	}
}

// printable replaces control characters by question marks. A file could use them to manipulate the
// terminal.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, text)
}
