package xades

import (
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/cms"
	"github.com/signstash-proxy/signstash-proxy/pkg/internal/certchain"
)

// VerifyOptions are the rules by which Verify judges certificates.
type VerifyOptions struct {
	Roots *x509.CertPool // trusted roots; nil means that trust in certificates is not judged
	Now   time.Time      // the time of verification; zero means the current time
}

// stamper is the authority of a timestamp that was verified.
type stamper struct {
	*plannedStamp
	authority *x509.Certificate
	name      string // of the timestamp, for reasons
}

// judgeCertificates judges the certificates of a signature that is valid otherwise: that of the
// signer at the time of signing, and those of timestamp authorities at the time of the timestamp.
//
// A timestamp proves that the signature existed at its time. Without one, the certificate is judged
// at the time that the signer claims, which nothing proves. The time of verification would not be
// better, because each signature at level B-B would become invalid when its certificate expires.
func (s *judged) judgeCertificates(o VerifyOptions) {
	if s.Verdict != Valid {
		return
	}
	now := o.Now
	if now.IsZero() {
		now = time.Now()
	}
	s.Stamped = time.Time{} // only the time of a trusted authority counts
	for _, t := range s.stampers {
		err := s.trusted(o.Roots, t.authority, t.Signed.Certificates, t.Time, x509.ExtKeyUsageTimeStamping)
		if err != nil {
			s.reject(fmt.Errorf("its %s: %w", t.name, err))
		} else if !t.archive && s.Stamped.IsZero() {
			s.Stamped = t.Time
		}
	}
	cert, claimed := s.Certificate, false
	switch {
	case !s.Stamped.IsZero():
		s.Judged = s.Stamped
	case !s.SigningTime.IsZero():
		s.Judged, claimed = s.SigningTime, true
	default:
		s.Judged = now
	}
	expired := "its certificate expired at " + cert.NotAfter.UTC().Format(time.RFC3339)
	switch {
	case s.Judged.Before(cert.NotBefore):
		s.reject(fmt.Errorf("its certificate is not valid before %s", cert.NotBefore.UTC().Format(time.RFC3339)))
	case s.Judged.After(cert.NotAfter):
		s.reject(errors.New(expired))
	default:
		if claimed && now.After(cert.NotAfter) {
			s.Notes = append(s.Notes, expired+": no timestamp proves that the signature was made before")
		}
		if err := s.trusted(o.Roots, cert, nil, s.Judged, x509.ExtKeyUsageAny); err != nil {
			s.reject(err)
		}
	}
}

// reject gives the signature the verdict that an error about a certificate means. The first error
// is the reason, unless a later one is worse.
func (s *judged) reject(err error) {
	verdict := Invalid
	if cms.CannotJudge(err) {
		verdict = Undetermined
	}
	if s.Verdict == Valid || s.Verdict == Undetermined && verdict == Invalid {
		s.Verdict, s.Reason = verdict, err.Error()
	}
	if s.Verdict == Invalid {
		s.Level = ""
	}
}

// trusted checks that a chain leads from cert to a trusted root. It accepts every certificate if no
// roots are given.
func (s *judged) trusted(
	roots *x509.CertPool, cert *x509.Certificate, others []*x509.Certificate, at time.Time, usage x509.ExtKeyUsage,
) error {
	// A token may hold only the certificate of its authority.
	return certchain.CheckTrust(cert, slices.Concat(others, s.evidence.Certificates), x509.VerifyOptions{
		Roots: roots, CurrentTime: at, KeyUsages: []x509.ExtKeyUsage{usage},
	})
}
