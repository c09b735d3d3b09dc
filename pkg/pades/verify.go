package pades

import (
	"context"
	"crypto"
	"crypto/x509"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/cms"
	"github.com/signstash-proxy/signstash-proxy/pkg/internal/certchain"
	"github.com/signstash-proxy/signstash-proxy/pkg/internal/evidence"
	"github.com/signstash-proxy/signstash-proxy/pkg/pdf"
)

// Verify checks all signatures of a PDF of size bytes. It reads the bytes that each signature
// covers. An error means that the document could not be read; faults of a signature are in the
// report. Verify uses no network, so it does not know about a certificate that was revoked later.
func Verify(ctx context.Context, r io.ReaderAt, size int64, o VerifyOptions) (*Report, error) {
	doc, err := pdf.Open(r, size)
	if err != nil {
		return nil, err
	}
	list, err := readSignatures(doc)
	if err != nil {
		return nil, err
	}
	store, err := readStore(doc)
	if err != nil {
		return nil, err
	}
	v := &verifier{ctx: ctx, r: r, doc: doc, options: o, store: store, now: time.Now()}
	if !o.Now.IsZero() {
		v.now = o.Now
	}
	for i := range list {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		v.signatures = append(v.signatures, v.verifySignature(&list[i]))
	}
	slices.SortStableFunc(v.signatures, func(a, b *verified) int { return int(min(1, max(-1, a.End-b.End))) })
	if err := v.finish(); err != nil {
		return nil, err
	}
	report := &Report{Size: size}
	for _, s := range v.signatures {
		report.Signatures = append(report.Signatures, s.SignatureReport)
	}
	return report, nil
}

// verifier is one run of Verify.
type verifier struct {
	ctx        context.Context // of the one call
	r          io.ReaderAt
	doc        *pdf.Document
	options    VerifyOptions
	store      *evidence.Set
	now        time.Time
	signatures []*verified
	references pdf.References // of the revision that was compared last
}

// verified is the report about one signature, and what is needed to complete it.
type verified struct {
	SignatureReport
	baseline   bool
	others     []*x509.Certificate   // further certificates in the SignedData
	permission int64                 // /P if the signature certifies the document; 0 otherwise
	locks      []lock                // of form fields
	chains     [][]*x509.Certificate // of the signer and of its timestamp's authority
	weak       error                 // why its timestamp does not count for the level; nil if it counts
}

func (v *verified) fault(format string, args ...any) {
	v.Faults = append(v.Faults, fmt.Sprintf(format, args...))
}

func (v *verified) unjudged(format string, args ...any) {
	v.Unjudged = append(v.Unjudged, fmt.Sprintf(format, args...))
}

// addError adds an error of pkg/cms to Faults or to Unjudged, because pkg/cms tells a wrong
// signature from one that cannot be judged. The text starts with before.
func (v *verified) addError(before string, err error) {
	if cms.CannotJudge(err) {
		v.unjudged("%s%v", before, err)
		return
	}
	v.fault("%s%v", before, err)
}

// verifySignature verifies one signature, without what depends on other signatures.
func (v *verifier) verifySignature(s *signature) *verified {
	out := &verified{SignatureReport: SignatureReport{Field: s.field.name, SubFilter: string(s.subFilter())}}
	if m, ok := s.dict.Get("M").(pdf.String); ok {
		out.Claimed = parseDate(m.Value)
	}
	if err := v.readPermissions(out, s); err != nil {
		out.fault("its locks cannot be read: %v", err)
	}
	r, content, err := s.gap(v.doc)
	out.End = r.end
	if err != nil {
		out.fault("%v", err)
		return out
	}
	out.Whole = r.end == v.doc.Size()
	out.Timestamp = s.subFilter() == subFilterTimestamp
	switch s.subFilter() {
	case subFilterTimestamp:
		v.documentTimestamp(out, r, content)
	case subFilterCAdES, "adbe.pkcs7.detached", "PBAD.PAdES":
		v.signed(out, s, r, content)
	default:
		out.unjudged("signatures of type %s are not supported", printable(out.SubFilter))
	}
	return out
}

// readPermissions reads which changes the signature allows after it.
func (v *verifier) readPermissions(out *verified, s *signature) error {
	var err error
	if out.permission, err = certification(v.doc, s.dict); err != nil {
		return err
	}
	locks := &form{}
	if err := locks.readLocks(v.doc, s.field, s.dict); err != nil {
		return err
	}
	if out.locks = locks.locks; slices.ContainsFunc(locks.locks, func(l lock) bool { return l.all }) {
		out.permission = 1
	}
	return nil
}

func printable(s string) string { return fmt.Sprintf("%.40q", s) }

func (v *verifier) documentTimestamp(out *verified, r byteRange, content []byte) {
	t, err := cms.ParseTimestamp(content)
	if err != nil {
		out.addError("", err)
		return
	}
	if t.Hash == 0 || !t.Hash.Available() {
		out.unjudged("the hash algorithm of the timestamp is not supported")
		return
	}
	digest, err := v.digest(r, t.Hash)
	if err != nil {
		out.fault("%v", err)
		return
	}
	cert, err := t.Verify(digest, t.Hash)
	if err != nil {
		out.addError("", err)
		return
	}
	out.Certificate, out.Stamped, out.others = cert, t.Time, t.Signed.Certificates
	out.weak = t.CheckAlgorithms(cert, v.store.Certificates...)
	out.chains = append(out.chains, certchain.Link(cert, t.Signed.Certificates, t.Time))
	out.Judged, out.JudgedBy = t.Time, OwnTime
	v.judge(out, x509.ExtKeyUsageTimeStamping)
}

// signed verifies a SignedData and its timestamps, and checks whether it follows the baseline. The
// certificate is judged later, when the time of the signature is known.
func (v *verifier) signed(out *verified, s *signature, r byteRange, content []byte) {
	sd, err := cms.Parse(content)
	if err != nil {
		out.addError("", err)
		return
	}
	signer, err := sd.Signer()
	if err != nil {
		out.addError("", err)
		return
	}
	if signer.Hash == 0 || !signer.Hash.Available() {
		out.unjudged("its hash algorithm is not supported")
		return
	}
	digest, err := v.digest(r, signer.Hash)
	if err != nil {
		out.fault("%v", err)
		return
	}
	if err := sd.CheckDigest(digest); err != nil { // Verify would stop before this check if the certificate is missing
		out.addError("", err)
		return
	}
	cert, err := sd.Verify(digest)
	if err != nil {
		out.addError("", err)
		return
	}
	out.Certificate, out.others = cert, sd.Certificates
	if err := v.readTimestamp(out, sd); err != nil {
		out.addError("its timestamp: ", err)
	}
	for _, err := range []error{s.checkDictionary(), sd.CheckBaseline()} {
		if err != nil && s.subFilter() == subFilterCAdES {
			out.Notes = append(out.Notes, strings.Split(err.Error(), "\n")...)
		}
		out.baseline = err == nil && (out.baseline || len(out.Notes) == 0)
	}
}

// readTimestamp takes the time from the timestamp of a signature, if there is one and its authority
// is trusted.
func (v *verifier) readTimestamp(out *verified, sd *cms.SignedData) error {
	t, err := signatureTimestamp(sd)
	if err != nil || t == nil {
		return err
	}
	signer, err := t.Signed.Signer()
	if err != nil {
		return err
	}
	authority := t.Signed.Certificate(signer)
	if authority == nil {
		return fmt.Errorf("the certificate of its authority is missing: %w", cms.ErrUnsupported)
	}
	if err := v.trusted(authority, t.Signed.Certificates, t.Time, x509.ExtKeyUsageTimeStamping); err != nil {
		return err
	}
	out.Stamped = t.Time
	out.weak = t.CheckAlgorithms(authority, v.store.Certificates...)
	out.chains = append(out.chains, certchain.Link(authority, t.Signed.Certificates, t.Time))
	return nil
}

// digest returns the digest of the bytes that a ByteRange covers.
func (v *verifier) digest(r byteRange, algorithm crypto.Hash) ([]byte, error) {
	h := algorithm.New()
	if err := hashRange(v.ctx, h, v.r, 0, r.gapStart); err != nil {
		return nil, err
	}
	if err := hashRange(v.ctx, h, v.r, r.gapEnd, r.end); err != nil {
		return nil, err
	}
	return h.Sum(nil), nil
}
