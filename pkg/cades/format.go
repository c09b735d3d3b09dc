package cades

import (
	"context"
	"crypto/x509"

	"github.com/signstash-proxy/signstash-proxy/pkg/cms"
	"github.com/signstash-proxy/signstash-proxy/pkg/internal/evidence"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// Revocation gathers the validation data of a chain. Its errors are of kind signing.KindRevocation.
type Revocation = evidence.Source

// Format signs files of any type. The zero value signs at level B-B. A Format is safe for
// concurrent use and keeps nothing between calls.
type Format struct {
	Timestamper signing.Timestamper // nil refuses levels above B-B with KindTimestamp
	Revocation  Revocation          // nil refuses levels above B-T with KindRevocation
}

var (
	_ signing.Format         = (*Format)(nil)
	_ signing.OptionsChecker = (*Format)(nil)
)

// CheckOptions implements signing.OptionsChecker.
func (f *Format) CheckOptions(sig signing.SignatureInfo) error {
	_, err := parseOptions(sig)
	return err
}

// Prepare implements signing.Format. It does not read the original if its digest is known. A file
// to be co-signed is read once, and refused if a signature in it is not valid.
func (f *Format) Prepare(ctx context.Context, in signing.Input, c *signing.Credential) (signing.Prepared, error) {
	o, err := f.accepts(in.Signature)
	if err != nil {
		return signing.Prepared{}, err
	}
	if !c.Hash.Available() {
		return signing.Prepared{}, signing.Errorf(signing.KindCertificate,
			"the hash algorithm of the credential is not supported")
	}
	// Build everything once, so that a certificate that cannot sign is refused before a signature is
	// paid for.
	if _, err := cms.EstimateSize(c.Chain, c.Algorithm, 0); err != nil {
		e := signing.Errorf(signing.KindCertificate, "the certificate cannot be used for signing")
		return signing.Prepared{}, e.Because(err)
	}
	digest, attributes, err := toBeSigned(ctx, in, o, c)
	if err != nil {
		return signing.Prepared{}, err
	}
	s := &state{
		Version:       stateVersion,
		OriginalSize:  in.File.Size(),
		ContentDigest: digest,
		Attributes:    attributes,
		Algorithm:     c.Algorithm,
		Hash:          uint(c.Hash),
		Chain:         rawChain(c.Chain),
	}
	stored, err := s.encode()
	if err != nil {
		return signing.Prepared{}, internal("write state", err)
	}
	h := c.Hash.New()
	h.Write(attributes)
	return signing.Prepared{Digest: h.Sum(nil), State: stored}, nil
}

// toBeSigned returns the signed attributes, and the digest of what is signed: the original, or its
// content if it is to be co-signed.
func toBeSigned(
	ctx context.Context, in signing.Input, o options, c *signing.Credential,
) (digest, attributes []byte, err error) {
	var existing *message
	if o.cosign {
		if existing, err = readExisting(ctx, in.File); err == nil {
			digest, err = digestToCosign(existing, c.Hash)
		}
	} else {
		digest, err = digestOfInput(ctx, in, c.Hash)
	}
	if err != nil {
		return nil, nil, err
	}
	if attributes, err = signedAttributes(in, c, digest, o); err != nil {
		return nil, nil, internal("build signed attributes", err)
	}
	if existing != nil {
		err = existing.checkNew(attributes)
	}
	return digest, attributes, err
}

// signedAttributes returns the signed attributes: those that the baseline requires (ETSI EN 319
// 122-1 6.3) and, if the type of the file is known, mime-type. There is no content-hints, which is
// for a content that is a message of several layers (5.2.4.1).
func signedAttributes(in signing.Input, c *signing.Credential, digest []byte, o options) ([]byte, error) {
	at, err := cms.SigningTime(in.Time)
	if err != nil {
		return nil, err
	}
	further := []cms.Attribute{at}
	// The type of a file to be co-signed is not that of its content.
	if media := mimeType(in.ContentType); media != "" && !o.cosign {
		a, err := cms.MIMEType(media)
		if err != nil {
			return nil, err
		}
		further = append(further, a)
	}
	return cms.SignedAttributes(c.Hash, digest, c.Certificate(), further...)
}

// accepts refuses options that are unknown, or a level for which a source is not configured. It
// runs before any other work.
func (f *Format) accepts(sig signing.SignatureInfo) (options, error) {
	if err := sig.Level.CheckSources(f.Timestamper != nil, f.Revocation != nil); err != nil {
		return options{}, err
	}
	return parseOptions(sig)
}

// Embed implements signing.Format. The original, or the content of a file to be co-signed, is the
// content of the signed file, byte for byte. A detached signature does not contain it. Embed reads
// the content to check its digest only if the digest was not known when the file arrived: with
// another hash than SHA-256, and for a file to be co-signed.
func (f *Format) Embed(
	ctx context.Context, in signing.Input, p signing.Prepared, value []byte,
) ([]byte, signing.Pieces, error) {
	o, err := f.accepts(in.Signature)
	if err != nil {
		return nil, nil, err
	}
	s, err := readState(p.State)
	if err != nil {
		return nil, nil, err
	}
	if s.OriginalSize != in.File.Size() {
		return nil, nil, signing.Errorf(signing.KindInternal, "state is for a document of %d bytes, not %d",
			s.OriginalSize, in.File.Size())
	}
	chain, err := s.chain()
	if err != nil {
		return nil, nil, err
	}
	a := &assembly{Format: f, in: in, state: s, chains: [][]*x509.Certificate{chain}}
	if err := a.start(ctx, o); err != nil {
		return nil, nil, err
	}
	if err := a.sign(ctx, value, in.Signature.Level); err != nil {
		return nil, nil, err
	}
	section, pieces, err := a.finish(o)
	if err != nil {
		return nil, nil, err
	}
	if err := a.check(ctx, section, pieces, o); err != nil {
		return nil, nil, err
	}
	return section, pieces, nil
}

// CheckValue implements signing.Format.
func (f *Format) CheckValue(p signing.Prepared, value []byte) error {
	s, err := readState(p.State)
	if err != nil {
		return err
	}
	chain, err := s.chain()
	if err != nil {
		return err
	}
	return signing.VerifyValue(&signing.Credential{Chain: chain[:1], Algorithm: s.Algorithm, Hash: s.hash()},
		p.Digest, value)
}
