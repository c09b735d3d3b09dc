package pades

import (
	"crypto/x509"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// Report is what Verify found out about a document.
type Report struct {
	Size       int64             // bytes
	Signatures []SignatureReport // by the bytes they cover, earliest first
}

// Verdict is the worst of the signatures' verdicts; Unsigned where there is none.
func (r *Report) Verdict() Verdict {
	worst := Unsigned
	for i := range r.Signatures {
		worst = max(worst, r.Signatures[i].Verdict())
	}
	return worst
}

// Valid reports whether there is a signature, and each is valid and was followed by nothing but
// what may follow a signature.
func (r *Report) Valid() bool { return r.Verdict() == Good }

// SignatureReport is about one signature or document timestamp.
type SignatureReport struct {
	Field       string // fully qualified name
	SubFilter   string
	Timestamp   bool              // a document timestamp
	Certificate *x509.Certificate // of signer or authority; nil where it could not be read
	Claimed     time.Time         // /M; zero where there is none
	Stamped     time.Time         // by a timestamp authority; zero where there is none
	Judged      time.Time         // the time at which the certificate is judged; zero where there is no certificate
	JudgedBy    TimeSource        // where Judged comes from
	// Level is the PAdES baseline level reached; empty for a document timestamp, and for a signature
	// that is not of the baseline.
	Level    signing.Level
	End      int64    // bytes covered, from the first byte of the file
	Whole    bool     // all of the file is covered
	Faults   []string // why it is not valid
	Unjudged []string // why it cannot be judged: it may be good, and somebody else has to say so
	Notes    []string // what is worth knowing, and does not make it invalid
	Changes  []string // what later revisions changed, in words
	Tampered []string // those of the changes that may not follow a signature
}

// Verdict is Broken where digest, signature value or certificate are wrong or a later revision
// changed what it must not, and CannotBeJudged where this program does not know the form, the
// algorithm or the certificate.
func (s *SignatureReport) Verdict() Verdict {
	switch {
	case len(s.Faults) > 0 || len(s.Tampered) > 0:
		return Broken
	case len(s.Unjudged) > 0:
		return CannotBeJudged
	}
	return Good
}

// Valid reports whether the verdict is Good.
func (s *SignatureReport) Valid() bool { return s.Verdict() == Good }

// VerifyOptions say what a signature is held against.
type VerifyOptions struct {
	Roots *x509.CertPool // nil: whether certificates are trusted is not judged
	Now   time.Time      // the time of verifying; zero: that of the clock
}
