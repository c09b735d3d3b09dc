package cades

import (
	"crypto"
	"crypto/x509"
	"encoding/asn1"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/cms"
	"github.com/signstash-proxy/signstash-proxy/pkg/internal/certchain"
	"github.com/signstash-proxy/signstash-proxy/pkg/internal/evidence"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// judge judges the signatures of one message.
type judge struct {
	*message
	options  VerifyOptions
	now      time.Time
	digests  map[crypto.Hash][]byte // of the content; nil if the content is unknown
	evidence *evidence.Set          // of the message
}

// judged is a signature with what the level depends on.
type judged struct {
	Signature
	baseline bool
	sha1     bool                  // the digest of the content or of the attributes
	weak     error                 // why a timestamp does not count for the level; nil if it counts
	chains   [][]*x509.Certificate // of the signer and of the authority of its timestamp
	archived []*cms.Archived       // what the valid archive timestamps protect
}

func (s *judged) fault(format string, args ...any) {
	s.Faults = append(s.Faults, fmt.Sprintf(format, args...))
}

func (s *judged) unjudged(format string, args ...any) {
	s.Unjudged = append(s.Unjudged, fmt.Sprintf(format, args...))
}

// addError adds an error of pkg/cms to Faults or to Unjudged, because pkg/cms tells a wrong
// signature from one that cannot be judged. The text starts with before.
func (s *judged) addError(before string, err error) {
	if cms.CannotJudge(err) {
		s.unjudged("%s%v", before, err)
		return
	}
	s.fault("%s%v", before, err)
}

// judge judges one signature.
func (j *judge) judge(s *cms.SignerInfo) *judged {
	out := &judged{Signature: Signature{SigningTime: s.SigningTime()}}
	if j.further > 0 {
		out.fault("further bytes follow the CMS structure")
	}
	if j.attached && !j.octets && j.signed.ContentType.Equal(cms.OIDData) {
		// The tag is not signed. Other programs would see another content (RFC 5652 4).
		out.fault("its content is not an OCTET STRING")
	}
	if s.Hash == 0 || !s.Hash.Available() {
		out.unjudged("its hash algorithm is not supported")
		return out
	}
	if s.RawSignedAttributes == nil {
		// Nothing tells whether the key signed this content or the signed attributes of another one.
		out.unjudged("it has no signed attributes, so it is not a CAdES signature")
		return out
	}
	digest, ok := j.digests[s.Hash]
	if !ok {
		out.unjudged("the signed content is not in the file and was not given")
		if digest, ok = s.MessageDigest(); !ok {
			return out
		}
	}
	if err := j.signed.CheckSignerDigest(s, digest); err != nil { // the check below may lack the certificate
		out.addError("", err)
		return out
	}
	cert, err := j.signed.VerifySigner(s, digest)
	if err != nil {
		out.addError("", err)
		return out
	}
	out.Certificate = cert
	out.sha1 = s.Hash == crypto.SHA1 || s.SignatureHash == crypto.SHA1
	if out.sha1 {
		out.unjudged("it is made with SHA-1, with which two contents can have the same digest")
	}
	j.readTimestamp(out, s)
	j.readArchive(out, s)
	j.judgeTime(out)
	j.readBaseline(out, s)
	j.level(out)
	return out
}

// readBaseline checks the rules of the baseline, and names unsigned attributes that are not judged.
func (j *judge) readBaseline(out *judged, s *cms.SignerInfo) {
	err := j.signed.CheckCAdESBaseline(s)
	if out.baseline = err == nil; err != nil {
		out.Notes = append(out.Notes, strings.Split(err.Error(), "\n")...)
	}
	for _, a := range s.UnsignedAttributes {
		if name := notJudged[a.Type.String()]; name != "" {
			out.Notes = append(out.Notes, "its "+name+" is not judged")
		}
	}
}

// notJudged are unsigned attributes with signatures of their own that Verify does not judge.
var notJudged = map[string]string{
	cms.OIDCountersignature.String():                                   "countersignature",
	asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 16, 2, 27}.String(): "archive timestamp of version 1",
	asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 16, 2, 48}.String(): "archive timestamp of version 2",
	asn1.ObjectIdentifier{0, 4, 0, 1733, 2, 5}.String():                "long-term validation attribute",
}

// readTimestamp takes the time from the signature timestamp, if there is one and its authority is
// trusted.
func (j *judge) readTimestamp(out *judged, s *cms.SignerInfo) {
	t, err := s.SignatureTimestamp()
	if err == nil && t != nil {
		err = j.trustAuthority(t)
	}
	if err != nil {
		out.addError("its timestamp: ", err)
		return
	}
	if t == nil {
		return
	}
	out.Stamped = t.Time
	out.weak = t.CheckAlgorithms(t.Authority(), j.evidence.Certificates...)
	out.chains = append(out.chains, t.Chain(j.evidence.Certificates...))
}

// trustAuthority checks the certificate of the authority of a timestamp that was verified.
func (j *judge) trustAuthority(t *cms.Timestamp) error {
	authority := t.Authority()
	if authority == nil {
		return fmt.Errorf("the certificate of its authority is missing: %w", cms.ErrUnsupported)
	}
	return j.trusted(authority, t.Signed.Certificates, t.Time, x509.ExtKeyUsageTimeStamping)
}

// readArchive verifies the archive timestamps.
func (j *judge) readArchive(out *judged, s *cms.SignerInfo) {
	for _, token := range s.Unsigned(cms.OIDArchiveTimestampV3) {
		a, err := j.signed.VerifyArchive(s, token, func(h crypto.Hash) []byte { return j.digests[h] })
		if err == nil {
			err = j.trustAuthority(a.Timestamp)
		}
		if err != nil {
			out.addError("its archive timestamp: ", err)
			continue
		}
		if weak := a.Timestamp.CheckAlgorithms(a.Timestamp.Authority(), j.evidence.Certificates...); weak != nil {
			out.Notes = append(out.Notes, fmt.Sprintf("its archive timestamp does not count for the level: %v", weak))
			continue
		}
		out.archived = append(out.archived, a)
	}
}

// judgeTime decides at which time the certificate is judged, and judges it. A timestamp comes
// first, because it proves that the signature existed at that time. Without one it is the time that
// the signer claims, which nothing proves. The time of verification would not be better, because
// each signature at level B-B would become invalid when its certificate expires.
func (j *judge) judgeTime(out *judged) {
	claimed := false
	switch {
	case !out.Stamped.IsZero():
		out.Judged = out.Stamped
	case !out.SigningTime.IsZero():
		out.Judged, claimed = out.SigningTime, true
	default:
		out.Judged = j.now
	}
	cert := out.Certificate
	chain := certchain.Link(cert, j.signed.Certificates, out.Judged)
	out.chains = append([][]*x509.Certificate{chain}, out.chains...)
	switch {
	case out.Judged.Before(cert.NotBefore):
		out.fault("its certificate is not valid before %s", cert.NotBefore.UTC().Format(time.RFC3339))
		return
	case out.Judged.After(cert.NotAfter):
		out.fault("its certificate expired at %s", cert.NotAfter.UTC().Format(time.RFC3339))
		return
	}
	if claimed && j.now.After(cert.NotAfter) {
		out.Notes = append(out.Notes, "its certificate expired at "+cert.NotAfter.UTC().Format(time.RFC3339)+
			": no timestamp proves that the signature was made before")
	}
	if err := j.trusted(cert, nil, out.Judged, x509.ExtKeyUsageAny); err != nil {
		out.addError("", err)
	}
}

// trusted checks that a chain leads from cert to a trusted root. It accepts every certificate if no
// roots are given.
func (j *judge) trusted(
	cert *x509.Certificate, others []*x509.Certificate, at time.Time, usage x509.ExtKeyUsage,
) error {
	// A token may hold only the certificate of its authority.
	return certchain.CheckTrust(cert, slices.Concat(others, j.signed.Certificates), x509.VerifyOptions{
		Roots: j.options.Roots, CurrentTime: at, KeyUsages: []x509.ExtKeyUsage{usage},
	})
}

// level sets the baseline level (ETSI EN 319 122-1 6.3).
func (j *judge) level(out *judged) {
	if !out.baseline || out.sha1 || len(out.Faults) > 0 {
		return
	}
	out.Level = signing.LevelB
	if out.weak != nil {
		out.Notes = append(out.Notes, fmt.Sprintf("its timestamp does not count for the level: %v", out.weak))
		return
	}
	if out.Stamped.IsZero() {
		return
	}
	out.Level = signing.LevelT
	for _, chain := range out.chains {
		if j.evidence.Covers(chain) != nil {
			return
		}
	}
	out.Level = signing.LevelLT
	for _, a := range out.archived {
		if evidenceOf(a.Certificates, a.CRLs).Covers(out.chains[0]) == nil {
			out.Level = signing.LevelLTA
		}
	}
}
