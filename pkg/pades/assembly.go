package pades

import (
	"context"
	"crypto/x509"
	"fmt"

	"github.com/signstash-proxy/signstash-proxy/pkg/cms"
	"github.com/signstash-proxy/signstash-proxy/pkg/internal/evidence"
	"github.com/signstash-proxy/signstash-proxy/pkg/pdf"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// assembly builds the signed document: the original and the sections appended so far.
type assembly struct {
	*Format
	in       signing.Input
	state    *state
	sections []byte                // all appended sections
	signed   int                   // length of the first section, which holds the signature
	chains   [][]*x509.Certificate // of the signer and of each timestamp authority
	// gathered holds, for each chain that was known when validation data was stored, the certificates
	// that Revocation returned for it.
	gathered [][]*x509.Certificate
}

// joined returns the original with the sections appended so far.
func (a *assembly) joined() *joinedFile {
	return &joinedFile{head: a.in.File, split: a.in.File.Size(), tail: a.sections}
}

// sign puts the signature value into the first section, with a timestamp if the level needs one. If
// the token does not fit, sign appends a document timestamp in a revision of its own. That reaches
// the level too, and no second signature has to be paid for.
func (a *assembly) sign(ctx context.Context, value []byte, chain []*x509.Certificate, level signing.Level) error {
	der, err := cms.Build(cms.SignedDataParams{
		SignedAttributes: a.state.Attributes,
		SignatureValue:   value,
		Chain:            chain,
		Algorithm:        a.state.Algorithm,
		Hash:             a.state.hash(),
	})
	if err != nil {
		return internal("build SignedData", err)
	}
	fits := true
	if level != signing.LevelB {
		if der, fits, err = a.addToken(ctx, der, value); err != nil {
			return err
		}
	}
	if a.sections, err = a.state.fill(der); err != nil {
		return err
	}
	a.signed = len(a.sections)
	if !fits {
		return a.timestampDocument(ctx)
	}
	return nil
}

// addToken returns der with a timestamp of the signature value. If the reserved contents are too
// small for it, fits is false and der is returned unchanged.
func (a *assembly) addToken(ctx context.Context, der, value []byte) (with []byte, fits bool, err error) {
	h := a.state.hash().New()
	h.Write(value)
	token, err := a.token(ctx, h.Sum(nil))
	if err != nil {
		return nil, false, err
	}
	with, err = cms.AddTimestamp(der, token)
	if err != nil {
		return nil, false, cms.UnusableToken(err)
	}
	if 2*len(with) > a.state.Reserved {
		return der, false, nil
	}
	return with, true, a.addAuthority(token)
}

// token requests a timestamp over digest.
func (a *assembly) token(ctx context.Context, digest []byte) ([]byte, error) {
	token, err := a.Timestamper.Timestamp(ctx, digest, a.state.hash())
	if err != nil {
		return nil, err
	}
	return token, nil
}

// addAuthority adds the chain of the timestamp authority to chains, because level B-LT needs
// validation data for it too.
func (a *assembly) addAuthority(token []byte) error {
	t, err := cms.ParseTimestamp(token)
	if err != nil {
		return cms.UnusableToken(err)
	}
	if _, err := t.Signed.Signer(); err != nil {
		return cms.UnusableToken(err)
	}
	chain, err := t.AuthorityChain(a.chains[0]...)
	if err != nil {
		return err
	}
	a.chains = append(a.chains, chain)
	return nil
}

const tokenTries = 2 // how many document timestamps are requested until one fits

// timestampDocument appends a revision with a document timestamp over all bytes before it (ISO
// 32000-2 12.8.5).
func (a *assembly) timestampDocument(ctx context.Context) error {
	size := a.tokenSize()
	for range tokenTries {
		section, err := a.prepareTimestamp(ctx, size)
		if err != nil {
			return err
		}
		digest, err := continueHash(a.state.hash(), a.state.Midstate, a.sections, section.head[:len(section.head)-1],
			section.tail[1:])
		if err != nil {
			return err
		}
		token, err := a.token(ctx, digest)
		if err != nil {
			return err
		}
		if len(token) > size {
			size = len(token) + len(token)/4
			continue
		}
		if err := a.addAuthority(token); err != nil {
			return err
		}
		a.sections = append(a.sections, section.fill(token)...)
		return nil
	}
	return signing.Errorf(signing.KindTimestamp,
		"the timestamp authority sent tokens of different sizes, and none of them fits")
}

func (a *assembly) tokenSize() int {
	if a.TokenSize > 0 {
		return a.TokenSize
	}
	return cms.UsualTokenSize
}

func (a *assembly) prepareTimestamp(ctx context.Context, size int) (*preparedSection, error) {
	joined := a.joined()
	doc, err := pdf.Open(joined, joined.size())
	if err != nil {
		return nil, internal("open signed document", err)
	}
	f, err := readForm(ctx, doc) // a timestamp may follow any lock of a signature (ISO 32000-2 12.8.2.2)
	if err != nil {
		return nil, internal("read form of signed document", err)
	}
	value := pdf.NewDict("Type", pdf.Name("DocTimeStamp"), "Filter", pdf.Name("Adobe.PPKLite"), "SubFilter",
		pdf.Name("ETSI.RFC3161"))
	return fieldSection(doc, f, fieldSpec{value: value, size: size, level: extensionDSS})
}

// storeValidation gathers the validation data of all chains known so far and appends it in a
// revision.
func (a *assembly) storeValidation(ctx context.Context) error {
	data, others, err := evidence.Gather(ctx, a.Revocation, a.chains)
	if err != nil {
		return err
	}
	a.gathered = others
	return a.store(data)
}

// store appends a revision with validation data.
func (a *assembly) store(data *evidence.Data) error {
	joined := a.joined()
	doc, err := pdf.Open(joined, joined.size())
	if err != nil {
		return internal("open signed document", err)
	}
	section, err := dssSection(doc, data)
	if err != nil {
		return fmt.Errorf("write validation data: %w", err)
	}
	a.sections = append(a.sections, section...)
	return nil
}

// addRevisions appends the revisions that levels B-LT and B-LTA need.
func (a *assembly) addRevisions(ctx context.Context, level signing.Level) error {
	if level != signing.LevelLT && level != signing.LevelLTA {
		return nil
	}
	if err := a.storeValidation(ctx); err != nil {
		return err
	}
	if level != signing.LevelLTA {
		return nil
	}
	return a.timestampDocument(ctx)
}
