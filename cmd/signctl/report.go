package main

import (
	"crypto/x509"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// verdict is the judgement about a signature or a file. A greater value is worse.
type verdict int

// The verdicts.
const (
	unsigned verdict = iota
	valid
	cannotBeJudged
	notValid
)

// String returns the verdict in words for a person.
func (v verdict) String() string {
	return [...]string{"not signed", "valid", "CANNOT BE JUDGED", "NOT VALID"}[v]
}

// fileReport is the result of verify for one file of any type.
type fileReport struct {
	signatures []signatureReport
	unjudged   string // why the whole file cannot be judged; empty if it can
}

// verdict returns the worst verdict of all signatures.
func (r *fileReport) verdict() verdict {
	worst := unsigned
	if r.unjudged != "" {
		worst = cannotBeJudged
	}
	for i := range r.signatures {
		worst = max(worst, r.signatures[i].verdict)
	}
	return worst
}

// signatureReport describes one signature of any type.
type signatureReport struct {
	kind        string // signature or document timestamp
	name        string // in the file; empty if it has none
	verdict     verdict
	format      string // PAdES, XAdES or CAdES
	level       signing.Level
	certificate *x509.Certificate // of the signer; nil if it is unknown
	claimed     time.Time         // zero if the signature does not say when it was made
	stamped     time.Time         // zero if there is no timestamp
	judged      time.Time         // at which the certificate was judged; zero if it was not
	source      string            // in words where judged comes from
	covers      string            // what is signed; empty if it is unknown
	remarks     []remark
}

// remark is one thing that was found out about a signature.
type remark struct{ word, text string }

// Words of remarks.
const (
	wordFault    = "FAULT"
	wordUnknown  = "UNKNOWN"
	wordTampered = "TAMPERED"
	wordChanged  = "changed"
	wordNote     = "note"
)

// add adds remarks with the same word.
func (s *signatureReport) add(word string, texts ...string) {
	for _, text := range texts {
		s.remarks = append(s.remarks, remark{word, text})
	}
}

// Words for where the time comes from at which a certificate is judged. The certificate of a
// document timestamp is judged at its own time.
const (
	sourceOwn     = "its own time"
	sourceStamped = "the time of its timestamp"
	sourceClaimed = "the time that the signer claims"
	sourceNow     = "now, because it names no time"
)

// setJudged sets the time at which the certificate was judged, if it was.
func (s *signatureReport) setJudged(at time.Time) {
	s.judged = at
	switch {
	case !s.stamped.IsZero() && at.Equal(s.stamped):
		s.source = sourceStamped
	case !s.claimed.IsZero() && at.Equal(s.claimed):
		s.source = sourceClaimed
	default:
		s.source = sourceNow
	}
}

// print writes the report about a file.
func (r *fileReport) print(w io.Writer, path string) {
	fmt.Fprintf(w, "%s: %s\n", printable(path), r.verdict())
	if r.unjudged != "" {
		remark{wordUnknown, r.unjudged}.print(w)
	}
	for i := range r.signatures {
		r.signatures[i].print(w, i+1)
	}
}

func (s *signatureReport) print(w io.Writer, number int) {
	fmt.Fprintf(w, "  %d %s", number, s.kind)
	if s.name != "" {
		fmt.Fprintf(w, " %q", s.name)
	}
	fmt.Fprintf(w, ": %s", s.verdict)
	if s.level != "" {
		fmt.Fprintf(w, ", %s %s", s.format, s.level)
	}
	fmt.Fprintln(w)
	if s.certificate != nil {
		fmt.Fprintf(w, "    by       %s\n    issuer   %s\n",
			printable(s.certificate.Subject.String()), printable(s.certificate.Issuer.String()))
	}
	if !s.claimed.IsZero() {
		fmt.Fprintf(w, "    claimed  %s\n", s.claimed.Format(time.RFC3339))
	}
	if !s.stamped.IsZero() {
		fmt.Fprintf(w, "    stamped  %s\n", s.stamped.Format(time.RFC3339))
	}
	if !s.judged.IsZero() {
		fmt.Fprintf(w, "    judged   %s, %s\n", s.judged.UTC().Format(time.RFC3339), s.source)
	}
	if s.covers != "" {
		fmt.Fprintf(w, "    covers   %s\n", printable(s.covers))
	}
	for _, r := range s.remarks {
		r.print(w)
	}
}

func (r remark) print(w io.Writer) {
	fmt.Fprintf(w, "    %-8s %s\n", r.word, printable(r.text))
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
