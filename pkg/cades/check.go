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

// checker checks a signed file that an assembly has made. It changes nothing of it.
type checker struct {
	made    *assembly
	pieces  signing.Pieces
	options options
	read    *message // the signed file, read afresh
}

// check reads the signed file afresh and judges the new signature. It does not read a content whose
// digest was computed while the file arrived, because the caller has compared the file with that
// digest. Then it checks where the content is. An error is a fault of this program, or says that
// the file cannot be read.
func (a *assembly) check(ctx context.Context, section []byte, pieces signing.Pieces, o options) error {
	joined, err := signing.Join(a.in.File, bytes.NewReader(section), pieces)
	if err != nil {
		return internal("join signed document", err)
	}
	c := &checker{made: a, pieces: pieces, options: o}
	if c.read, err = readMessage(ctx, joined); err == nil {
		err = c.check(ctx)
	}
	if err == nil || signing.KindOf(err) == signing.KindStorage || ctx.Err() != nil {
		return err
	}
	return internal("check signed document", err)
}

func (c *checker) check(ctx context.Context) error {
	if err := c.digest(ctx); err != nil {
		return err
	}
	if err := c.content(); err != nil {
		return err
	}
	if c.read.further > 0 {
		return errors.New("bytes follow the structure")
	}
	j := newJudge(c.read, VerifyOptions{})
	state := c.made.state
	j.digests = map[crypto.Hash][]byte{state.hash(): state.ContentDigest}
	ours, err := c.signer()
	if err != nil {
		return err
	}
	got := j.judge(ours)
	switch {
	case got.Verdict() != Valid:
		return fmt.Errorf("the new signature is %s: %s", got.Verdict(), got.Reason())
	case !got.baseline:
		return fmt.Errorf("the new signature does not follow the baseline: %v", got.Notes)
	case !bytes.Equal(got.Certificate.Raw, state.Chain[0]):
		return errors.New("the new signature names another certificate")
	case !containsAll(c.read.signed.RawCertificates, state.Chain):
		return errors.New("a certificate of the chain is missing")
	}
	if err := c.level(j, got); err != nil {
		return fmt.Errorf("level %s: %w", c.made.in.Signature.Level, err)
	}
	return nil
}

// containsAll reports whether list contains all elements of part.
func containsAll(list, part [][]byte) bool {
	for _, p := range part {
		if !slices.ContainsFunc(list, func(e []byte) bool { return bytes.Equal(e, p) }) {
			return false
		}
	}
	return true
}

// digest computes the digest of the content again and compares it with the one that was signed.
func (c *checker) digest(ctx context.Context) error {
	in, state := c.made.in, c.made.state
	var digest []byte
	var err error
	known := state.hash() == crypto.SHA256 && len(in.Midstate) > 0 && !c.options.cosign
	if known || c.options.detached {
		digest, err = digestOfInput(ctx, in, state.hash())
	} else {
		var digests map[crypto.Hash][]byte
		digests, err = c.read.digests([]crypto.Hash{state.hash()})
		digest = digests[state.hash()]
	}
	if err == nil && !bytes.Equal(digest, state.ContentDigest) {
		err = errors.New("the content has another digest than the one that was signed")
	}
	return err
}

// signer returns our signer.
func (c *checker) signer() (*cms.SignerInfo, error) {
	signers := c.read.signed.Signers
	if len(signers) != len(c.made.message.Signers) {
		return nil, fmt.Errorf("%d signers, want %d", len(signers), len(c.made.message.Signers))
	}
	ours := func(s cms.SignerInfo) bool { return bytes.Equal(s.RawSignedAttributes, c.made.state.Attributes) }
	i := slices.IndexFunc(signers, ours)
	if i < 0 || slices.ContainsFunc(signers[i+1:], ours) {
		return nil, errors.New("not exactly one signer has our signed attributes")
	}
	return &signers[i], nil
}

// content checks that the content is where the pieces put the original.
func (c *checker) content() error {
	m := c.read
	switch {
	case c.options.cosign:
		return c.cosigned()
	case m.encoding != DER:
		return fmt.Errorf("it is %s, not DER", m.encoding)
	case m.attached == c.options.detached:
		return fmt.Errorf("the content is attached: %v", m.attached)
	case c.options.detached:
		return nil
	case !m.octets || !m.whole || m.size != c.made.in.File.Size():
		return fmt.Errorf("the content has %d bytes", m.size)
	case m.size > 0 && (c.pieces[0].To != m.contentAt || c.pieces[1].New):
		return fmt.Errorf("the content is at %d", m.contentAt)
	}
	return nil
}

// cosigned checks that everything of the existing file is in the co-signed file, and that its
// content is where the pieces put it.
func (c *checker) cosigned() error {
	old, now := c.made.existing, c.read
	switch {
	case !now.attached || !now.octets || now.size != old.size:
		return fmt.Errorf("the content has %d bytes, want %d", now.size, old.size)
	case len(c.pieces) == 3 && now.elementAt != c.pieces[0].To:
		return fmt.Errorf("the content is at %d", now.elementAt)
	case old.encoding == DER && now.encoding != DER:
		return fmt.Errorf("it is %s, not DER", now.encoding)
	case !containsAll(now.signers, old.signers):
		return errors.New("an existing signature was changed")
	case !containsAll(now.certificates, old.certificates):
		return errors.New("a certificate of the existing file is missing")
	case !containsAll(now.crls, old.crls):
		return errors.New("a CRL or OCSP response of the existing file is missing")
	}
	return nil
}

// level checks that the signature has what the level requires (ETSI EN 319 122-1 6.3). Validation
// data is required for what Revocation knows: a further certificate that another program stored
// must not require more of it.
func (c *checker) level(j *judge, got *judged) error {
	level := c.made.in.Signature.Level
	if level == signing.LevelB {
		return nil
	}
	if got.Stamped.IsZero() {
		return errors.New("there is no timestamp")
	}
	if level == signing.LevelT {
		return nil
	}
	for i, others := range c.made.gathered {
		if err := j.evidence.CoversAmong(c.made.chains[i], others); err != nil {
			return err
		}
	}
	if level == signing.LevelLT {
		return nil
	}
	if len(got.archived) != 1 {
		return fmt.Errorf("%d archive timestamps, want one", len(got.archived))
	}
	covered, message := got.archived[0], &c.made.message
	if n := len(covered.Certificates); n != len(message.Certificates) {
		return fmt.Errorf("the archive timestamp covers %d of %d certificates", n, len(message.Certificates))
	}
	if n := len(covered.CRLs); n != len(message.CRLs) {
		return fmt.Errorf("the archive timestamp covers %d of %d CRLs and OCSP responses", n, len(message.CRLs))
	}
	return nil
}
