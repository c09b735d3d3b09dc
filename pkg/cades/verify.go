package cades

import (
	"context"
	"crypto"
	"io"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/cms"
	"github.com/signstash-proxy/signstash-proxy/pkg/internal/evidence"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// Verify judges the signatures of a .p7m or .p7s file. It reads the content once, as a stream. An
// error says that the file is not a CMS SignedData, is damaged, or cannot be read; faults of a
// signature are in the report. Verify uses no network, so it does not know about a certificate that
// was revoked later. It does not judge countersignatures, nor signatures inside the content.
func Verify(ctx context.Context, file signing.Sized, o VerifyOptions) (*Report, error) {
	m, err := readMessage(ctx, file)
	if err != nil {
		return nil, err
	}
	return m.verify(ctx, o)
}

func (m *message) verify(ctx context.Context, o VerifyOptions) (*Report, error) {
	report := &Report{
		Encoding: m.encoding, Attached: m.attached, ContentType: m.signed.ContentType.String(), ContentSize: m.size,
	}
	j := newJudge(m, o)
	var err error
	switch {
	case m.attached && o.Content != nil:
		return nil, signing.Errorf(signing.KindInvalid, "the file contains its content, so no other content can be given")
	case m.attached:
		j.digests, err = m.digests(m.hashes())
	case o.Content != nil:
		report.ContentSize = o.Content.Size()
		j.digests, err = digestsOf(ctx, o.Content, m.hashes())
	}
	if err != nil {
		return nil, err
	}
	for i := range m.signed.Signers {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		report.Signatures = append(report.Signatures, j.judge(&m.signed.Signers[i]).Signature)
	}
	return report, nil
}

// CopyContent writes the content of a .p7m file to w. It verifies nothing.
func CopyContent(ctx context.Context, file signing.Sized, w io.Writer) error {
	m, err := readMessage(ctx, file)
	if err != nil {
		return err
	}
	if !m.attached {
		return signing.Errorf(signing.KindInvalid, "the file does not contain its content")
	}
	return m.copyContent(w)
}

// hashes returns the hashes of the content that signers and archive timestamps need.
func (m *message) hashes() []crypto.Hash {
	var list []crypto.Hash
	for i := range m.signed.Signers {
		s := &m.signed.Signers[i]
		list = append(list, s.Hash)
		for _, token := range s.Unsigned(cms.OIDArchiveTimestampV3) {
			if t, err := cms.ParseTimestamp(token); err == nil {
				list = append(list, t.Hash)
			}
		}
	}
	return list
}

// newJudge returns a judge that does not know the content yet.
func newJudge(m *message, o VerifyOptions) *judge {
	j := &judge{message: m, options: o, now: o.Now}
	if j.now.IsZero() {
		j.now = time.Now()
	}
	j.evidence = evidenceOf(m.signed.RawCertificates, m.signed.CRLs)
	return j
}

// evidenceOf returns the validation data in certificates and RevocationInfoChoices.
func evidenceOf(certificates, choices [][]byte) *evidence.Set {
	e := &evidence.Set{}
	for _, der := range certificates {
		e.AddCertificate(der)
	}
	for _, choice := range choices {
		if response := cms.OCSPOf(choice); response != nil {
			e.AddOCSP(response)
		} else {
			e.AddCRL(choice)
		}
	}
	return e
}
