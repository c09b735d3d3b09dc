package pades

import (
	"crypto/x509"
	"slices"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/internal/certchain"
)

// judgeTime decides at which time the certificate of a signature is judged, and judges it. A
// timestamp comes first, because it proves that the signature existed at that time. This is the
// timestamp of the signature itself, or else the first good document timestamp after it. If roots
// are given, the time of an untrusted authority is not used. Without a timestamp the certificate is
// judged at the time that the signer claims, which nothing proves. The time of verification would
// not be better, because each signature at level B-B would become invalid when its certificate
// expires. A signature that names no time is judged at the time of verification.
func (v *verifier) judgeTime(s *verified, later []*verified) {
	if s.Certificate == nil || s.Timestamp {
		return
	}
	for _, t := range later {
		if t.Timestamp && t.Verdict() == Good && (s.Stamped.IsZero() || s.weak != nil && t.weak == nil) {
			s.Stamped, s.weak, s.chains = t.Stamped, t.weak, append(s.chains, t.chains...)
		}
	}
	switch {
	case !s.Stamped.IsZero():
		s.Judged, s.JudgedBy = s.Stamped, StampedTime
	case !s.Claimed.IsZero():
		s.Judged, s.JudgedBy = s.Claimed, ClaimedTime
	default:
		s.Judged, s.JudgedBy = v.now, VerifyTime
	}
	s.chains = append([][]*x509.Certificate{certchain.Link(s.Certificate, s.others, s.Judged)}, s.chains...)
	v.judge(s, x509.ExtKeyUsageAny)
}

// judge checks that the certificate is valid at the time s.Judged and, if roots are given, that it
// is trusted. It adds what it finds to s.
func (v *verifier) judge(s *verified, usage x509.ExtKeyUsage) {
	cert, at := s.Certificate, s.Judged
	switch {
	case at.Before(cert.NotBefore):
		s.fault("its certificate is not valid before %s", cert.NotBefore.UTC().Format(time.RFC3339))
		return
	case at.After(cert.NotAfter):
		s.fault("its certificate expired at %s", cert.NotAfter.UTC().Format(time.RFC3339))
		return
	}
	if s.JudgedBy == ClaimedTime && v.now.After(cert.NotAfter) {
		s.Notes = append(s.Notes, "its certificate expired at "+cert.NotAfter.UTC().Format(time.RFC3339)+
			": no timestamp proves that the signature was made before")
	}
	if err := v.trusted(cert, s.others, at, usage); err != nil {
		s.addError("", err)
	}
}

// trusted checks that a chain leads from cert to a trusted root. It accepts every certificate if no
// roots are given.
func (v *verifier) trusted(
	cert *x509.Certificate, others []*x509.Certificate, at time.Time, usage x509.ExtKeyUsage,
) error {
	// A token may hold only the certificate of its authority.
	return certchain.CheckTrust(cert, slices.Concat(others, v.store.Certificates), x509.VerifyOptions{
		Roots: v.options.Roots, CurrentTime: at, KeyUsages: []x509.ExtKeyUsage{usage},
	})
}
