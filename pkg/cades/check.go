package cades

import (
	"bytes"
	"context"
	"crypto"
	"errors"
	"fmt"
	"slices"

	"github.com/signstash-proxy/signstash-proxy/pkg/cms"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// check reads the signed file afresh and judges the new signature. It does not read a content whose
// digest was computed while the file arrived, because the caller has compared the file with that
// digest. Then it checks where the content is. An error is a fault of this program, or says that
// the file cannot be read.
func (a *assembly) check(ctx context.Context, section []byte, pieces signing.Pieces, o options) error {
	joined, err := signing.Join(a.in.File, bytes.NewReader(section), pieces)
	if err != nil {
		return internal("join signed document", err)
	}
	m, err := readMessage(ctx, joined)
	if err == nil {
		err = a.checkDigest(ctx, m, o)
	}
	if err == nil {
		err = a.checkMessage(m, pieces, o)
	}
	if err == nil || signing.KindOf(err) == signing.KindStorage || ctx.Err() != nil {
		return err
	}
	return internal("check signed document", err)
}

// checkDigest computes the digest of the content again and compares it with the one that was
// signed.
func (a *assembly) checkDigest(ctx context.Context, m *message, o options) error {
	var digest []byte
	var err error
	known := a.state.hash() == crypto.SHA256 && len(a.in.Midstate) > 0 && !o.cosign
	if known || o.detached {
		digest, err = digestOfInput(ctx, a.in, a.state.hash())
	} else {
		var digests map[crypto.Hash][]byte
		digests, err = m.digests([]crypto.Hash{a.state.hash()})
		digest = digests[a.state.hash()]
	}
	if err == nil && !bytes.Equal(digest, a.state.ContentDigest) {
		err = errors.New("the content has another digest than the one that was signed")
	}
	return err
}

func (a *assembly) checkMessage(m *message, pieces signing.Pieces, o options) error {
	if err := a.checkContent(m, pieces, o); err != nil {
		return err
	}
	if m.further > 0 {
		return errors.New("bytes follow the structure")
	}
	var ours []*cms.SignerInfo
	for i := range m.signed.Signers {
		if s := &m.signed.Signers[i]; bytes.Equal(s.RawSignedAttributes, a.state.Attributes) {
			ours = append(ours, s)
		}
	}
	if len(ours) != 1 {
		return fmt.Errorf("%d signers have our signed attributes", len(ours))
	}
	if len(m.signed.Signers) != len(a.message.Signers) {
		return fmt.Errorf("%d signers, want %d", len(m.signed.Signers), len(a.message.Signers))
	}
	j := newJudge(m, VerifyOptions{})
	j.digests = map[crypto.Hash][]byte{a.state.hash(): a.state.ContentDigest}
	got := j.judge(ours[0])
	switch {
	case got.Verdict() != Valid:
		return fmt.Errorf("the new signature is %s: %s", got.Verdict(), got.Reason())
	case !got.baseline:
		return fmt.Errorf("the new signature does not follow the baseline: %v", got.Notes)
	case !bytes.Equal(got.Certificate.Raw, a.state.Chain[0]):
		return errors.New("the new signature names another certificate")
	}
	for _, raw := range a.state.Chain {
		if !slices.ContainsFunc(m.signed.RawCertificates, func(der []byte) bool { return bytes.Equal(der, raw) }) {
			return errors.New("a certificate of the chain is missing")
		}
	}
	if err := a.checkLevel(j, got); err != nil {
		return fmt.Errorf("level %s: %w", a.in.Signature.Level, err)
	}
	return nil
}

// checkContent checks that the content is where the pieces put the original.
func (a *assembly) checkContent(m *message, pieces signing.Pieces, o options) error {
	switch {
	case o.cosign:
		return a.checkCosigned(m, pieces)
	case m.encoding != DER:
		return fmt.Errorf("it is %s, not DER", m.encoding)
	case !m.attached != o.detached:
		return fmt.Errorf("the content is attached: %v", m.attached)
	case o.detached:
		return nil
	case !m.octets || !m.whole || m.size != a.in.File.Size():
		return fmt.Errorf("the content has %d bytes", m.size)
	case m.size > 0 && (pieces[0].To != m.contentAt || pieces[1].New):
		return fmt.Errorf("the content is at %d", m.contentAt)
	}
	return nil
}

// checkLevel checks that the signature has what the level requires (ETSI EN 319 122-1 6.3).
// Validation data is required for what Revocation knows: a further certificate that another program
// stored must not require more of it.
func (a *assembly) checkLevel(j *judge, got *judged) error {
	level := a.in.Signature.Level
	if level == signing.LevelB {
		return nil
	}
	if got.Stamped.IsZero() {
		return errors.New("there is no timestamp")
	}
	if level == signing.LevelT {
		return nil
	}
	for i, others := range a.gathered {
		if err := j.evidence.CoversAmong(a.chains[i], others); err != nil {
			return err
		}
	}
	if level == signing.LevelLT {
		return nil
	}
	if len(got.archived) != 1 {
		return fmt.Errorf("%d archive timestamps, want one", len(got.archived))
	}
	if n := len(got.archived[0].Certificates); n != len(a.message.Certificates) {
		return fmt.Errorf("the archive timestamp covers %d of %d certificates", n, len(a.message.Certificates))
	}
	if n := len(got.archived[0].CRLs); n != len(a.message.CRLs) {
		return fmt.Errorf("the archive timestamp covers %d of %d CRLs and OCSP responses", n, len(a.message.CRLs))
	}
	return nil
}
