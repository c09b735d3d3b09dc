package pades

import (
	"context"
	"crypto/x509"

	"github.com/signstash-proxy/signstash-proxy/pkg/cms"
	"github.com/signstash-proxy/signstash-proxy/pkg/pades/appearance/font"
	"github.com/signstash-proxy/signstash-proxy/pkg/pdf"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// Revocation gathers validation data for certificates. Its errors are of kind
// signing.KindRevocation.
type Revocation interface {
	// Gather returns what is needed to validate chain, which is the chain of a signer or of a
	// timestamp authority: further certificates, OCSP responses and CRLs, each in DER. A root
	// certificate needs no validation data.
	Gather(ctx context.Context, chain []*x509.Certificate) (certs, ocsps, crls [][]byte, err error)
}

// Format signs PDF documents. The zero value signs at level B-B. A Format is safe for concurrent
// use and keeps nothing between calls.
type Format struct {
	Timestamper signing.Timestamper // nil refuses levels above B-B with KindTimestamp
	Revocation  Revocation          // nil refuses levels above B-T with KindRevocation
	// TokenSize is the size of a timestamp token of the Timestamper, in bytes. 0 means
	// cms.UsualTokenSize. If a token does not fit, Embed appends a document timestamp in a revision of
	// its own instead.
	TokenSize int
	// Fonts are the operator's own fonts for visible signatures. If it is nil, only the built-in fonts
	// are used.
	Fonts *font.Library
	// AllowClipping allows a new visible signature whose box lies partly outside its page.
	AllowClipping bool
}

var _ signing.Format = (*Format)(nil)

// Prepare implements signing.Format.
func (f *Format) Prepare(ctx context.Context, in signing.Input, c *signing.Credential) (signing.Prepared, error) {
	if err := in.Signature.Level.CheckSources(f.Timestamper != nil, f.Revocation != nil); err != nil {
		return signing.Prepared{}, err
	}
	section, err := f.signatureSection(ctx, in, c)
	if err != nil {
		return signing.Prepared{}, err
	}
	after, err := hashOriginal(ctx, in, c.Hash)
	if err != nil {
		return signing.Prepared{}, err
	}
	s := &state{
		Version:      stateVersion,
		OriginalSize: in.File.Size(),
		Head:         section.head,
		Tail:         section.tail,
		Reserved:     section.reserved,
		Signature:    section.signature.Number,
		Hash:         uint(c.Hash),
		Midstate:     after,
		Algorithm:    c.Algorithm,
		Chain:        rawChain(c.Chain),
	}
	digest, err := s.documentDigest()
	if err != nil {
		return signing.Prepared{}, err
	}
	if s.Attributes, err = cms.SignedAttributes(c.Hash, digest, c.Certificate()); err != nil {
		return signing.Prepared{}, internal("build signed attributes", err)
	}
	if err := f.rehearse(ctx, in, s); err != nil {
		return signing.Prepared{}, err
	}
	h := c.Hash.New()
	h.Write(s.Attributes)
	return signing.Prepared{Digest: h.Sum(nil), State: s.encode()}, nil
}

// signatureSection returns the section that signs the document, with reserved contents. It refuses
// a document that must not or cannot be signed.
func (f *Format) signatureSection(
	ctx context.Context, in signing.Input, c *signing.Credential,
) (*preparedSection, error) {
	look, err := parseVisible(in.Signature)
	if err != nil {
		return nil, err
	}
	doc, err := pdf.Open(in.File, in.File.Size())
	if err != nil {
		return nil, err
	}
	form, err := inspect(ctx, doc, look.existingField())
	if err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := checkEarlier(ctx, doc, in.File); err != nil {
		return nil, err
	}
	size, err := f.contentsSize(in.Signature.Level, c)
	if err != nil {
		return nil, err
	}
	v, err := f.makeVisible(ctx, doc, form, look, in, c)
	if err != nil {
		return nil, err
	}
	return signatureSection(doc, form, in, v, size)
}

// Embed implements signing.Format. The signed document starts with the original, byte for byte,
// because each revision is an incremental update (ISO 32000-2 7.5.6).
func (f *Format) Embed(
	ctx context.Context, in signing.Input, p signing.Prepared, value []byte,
) ([]byte, signing.Pieces, error) {
	if err := in.Signature.Level.CheckSources(f.Timestamper != nil, f.Revocation != nil); err != nil {
		return nil, nil, err
	}
	s, err := decodeState(p.State, in.File.Size())
	if err != nil {
		return nil, nil, err
	}
	chain, err := s.chain()
	if err != nil {
		return nil, nil, err
	}
	a := &assembly{Format: f, in: in, state: s, chains: [][]*x509.Certificate{chain}}
	if err := a.sign(ctx, value, chain, in.Signature.Level); err != nil {
		return nil, nil, err
	}
	if err := a.addRevisions(ctx, in.Signature.Level); err != nil {
		return nil, nil, err
	}
	if err := a.checker().check(ctx, in.Signature.Level); err != nil {
		return nil, nil, err
	}
	return a.sections, signing.Appended(in.File.Size(), int64(len(a.sections))), nil
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

// contentsSize returns the number of bytes to reserve for the SignedData: enough for the chain, and
// for a timestamp token if the level needs one.
func (f *Format) contentsSize(level signing.Level, c *signing.Credential) (int, error) {
	token := 0
	if level != signing.LevelB {
		if token = f.TokenSize; token == 0 {
			token = cms.UsualTokenSize
		}
	}
	size, err := cms.EstimateSize(c.Chain, c.Algorithm, token)
	if err != nil {
		e := signing.Errorf(signing.KindCertificate, "the certificate cannot be used for signing")
		return 0, e.Because(err)
	}
	return size, nil
}

func rawChain(chain []*x509.Certificate) [][]byte {
	raw := make([][]byte, len(chain))
	for i, c := range chain {
		raw[i] = c.Raw
	}
	return raw
}
