package pades

import (
	"crypto/x509"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// Report is the result of Verify for one document.
type Report struct {
	Size       int64             // bytes
	Signatures []SignatureReport // sorted by the number of bytes that they cover, earliest first
}

// Verdict returns the worst verdict of all signatures. It is Unsigned if the document has no
// signature.
func (r *Report) Verdict() Verdict {
	worst := Unsigned
	for i := range r.Signatures {
		worst = max(worst, r.Signatures[i].Verdict())
	}
	return worst
}

// Valid reports whether the document has at least one signature, each signature is valid, and only
// changes that may follow a signature were made after it.
func (r *Report) Valid() bool { return r.Verdict() == Good }

// SignatureReport describes one signature or document timestamp.
type SignatureReport struct {
	Field       string // fully qualified name
	SubFilter   string
	Timestamp   bool              // a document timestamp
	Certificate *x509.Certificate // of the signer or the authority; nil if it could not be read
	Claimed     time.Time         // /M; zero if it is missing
	Stamped     time.Time         // time of the timestamp authority; zero if there is no timestamp
	Judged      time.Time         // the time at which the certificate is judged; zero without a certificate
	JudgedBy    TimeSource        // where Judged comes from
	// Level is the PAdES baseline level that the signature reaches. It is empty for a document
	// timestamp and for a signature that does not follow the baseline.
	Level    signing.Level
	End      int64    // number of covered bytes, counted from the first byte of the file
	Whole    bool     // the signature covers the whole file
	Faults   []string // reasons why it is invalid
	Unjudged []string // reasons why it cannot be judged; another validator may find it valid
	Notes    []string // remarks that do not make it invalid
	Changes  []string // changes made by later revisions, in words
	Tampered []string // the part of Changes that must not follow a signature
}

// Verdict returns Broken if the digest, the signature value or the certificate is wrong, or if a
// later revision made a forbidden change. It returns CannotBeJudged if this program does not know
// the form or the algorithm, or if the certificate is missing.
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

// VerifyOptions are the rules by which Verify judges signatures.
type VerifyOptions struct {
	Roots *x509.CertPool // trusted roots; nil means that trust in certificates is not judged
	Now   time.Time      // the time of verification; zero means the current time
}
