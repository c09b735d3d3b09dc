package cades

import (
	"crypto/x509"
	"strings"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// Verdict is the result of judging a signature.
type Verdict string

// The verdicts.
const (
	Unsigned     Verdict = "not signed" // of a file without signatures
	Undetermined Verdict = "cannot be judged"
	Valid        Verdict = "valid"
	Invalid      Verdict = "not valid"
)

// VerifyOptions are the rules by which Verify judges signatures.
type VerifyOptions struct {
	// Content is the signed file of a detached signature. Without it, such a signature can be found to
	// be wrong, but not to be valid.
	Content signing.Sized
	Roots   *x509.CertPool // trusted roots; nil means that trust in certificates is not judged
	Now     time.Time      // the time of verification; zero means the current time
}

// Report is the result of Verify for one file.
type Report struct {
	Encoding    Encoding
	Attached    bool   // the content is in the file (.p7m)
	ContentType string // object identifier of the type of the content
	ContentSize int64  // bytes; 0 if the content is unknown
	Signatures  []Signature
}

// Verdict returns Invalid if a signature is not valid, or else Undetermined if one cannot be
// judged. It returns Unsigned if there is no signature.
func (r *Report) Verdict() Verdict {
	if len(r.Signatures) == 0 {
		return Unsigned
	}
	verdict := Valid
	for i := range r.Signatures {
		switch r.Signatures[i].Verdict() {
		case Invalid:
			return Invalid
		case Undetermined:
			verdict = Undetermined
		}
	}
	return verdict
}

// Signature is one signature in a file and what was found out about it.
type Signature struct {
	Faults   []string // reasons why it is not valid
	Unjudged []string // reasons why it cannot be judged; another validator may find it valid
	Notes    []string // remarks that do not make it invalid
	// Level is the CAdES baseline level that the signature reaches. It is empty for a signature that
	// does not follow the baseline.
	Level       signing.Level
	Certificate *x509.Certificate // of the signer; nil if it is missing or cannot be read
	SigningTime time.Time         // as the signer claims; zero if there is none
	Stamped     time.Time         // of the signature timestamp; zero if there is none
	// Judged is the time at which the certificate was judged: Stamped, or else SigningTime, or else
	// the time of verification. It is zero without a certificate.
	Judged time.Time
}

// Verdict returns the verdict about the signature.
func (s *Signature) Verdict() Verdict {
	switch {
	case len(s.Faults) > 0:
		return Invalid
	case len(s.Unjudged) > 0:
		return Undetermined
	}
	return Valid
}

// Reason says why the signature is not valid or cannot be judged. It has no content of the file.
func (s *Signature) Reason() string {
	if len(s.Faults) > 0 {
		return strings.Join(s.Faults, "; ")
	}
	return strings.Join(s.Unjudged, "; ")
}
