package cades

import (
	"bytes"
	"context"
	"crypto/x509"

	"github.com/signstash-proxy/signstash-proxy/pkg/cms"
	"github.com/signstash-proxy/signstash-proxy/pkg/internal/evidence"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// maxElements bounds the certificates, and the CRLs and OCSP responses, of a signed file. It is the
// bound of pkg/cms on what it reads.
const maxElements = 256

// assembly builds one signed file.
type assembly struct {
	*Format
	in       signing.Input
	state    *state
	existing *message    // the file to be co-signed; nil otherwise
	message  cms.Message // what is around the content
	signer   []byte      // our SignerInfo
	chains   [][]*x509.Certificate
	// gathered holds, for each chain for which validation data was gathered, the certificates that
	// Revocation returned for it.
	gathered [][]*x509.Certificate
}

// start makes the message without our signature.
func (a *assembly) start(ctx context.Context, o options) error {
	switch {
	case o.cosign:
		if err := a.startCosigning(ctx); err != nil {
			return err
		}
	case o.detached:
	default:
		a.message.Content = cms.Content{Form: cms.Octets, Size: a.in.File.Size()}
	}
	a.message.Certificates = append(a.message.Certificates, a.state.Chain...)
	return nil
}

// sign makes our SignerInfo with everything that the level needs.
func (a *assembly) sign(ctx context.Context, value []byte, level signing.Level) error {
	var err error
	a.signer, err = cms.BuildSigner(cms.SignedDataParams{
		SignedAttributes: a.state.Attributes,
		SignatureValue:   value,
		Chain:            a.chains[0],
		Algorithm:        a.state.Algorithm,
		Hash:             a.state.hash(),
	})
	if err != nil {
		return internal("build SignerInfo", err)
	}
	if level == signing.LevelB {
		return nil
	}
	if err := a.addTimestamp(ctx, value); err != nil || level == signing.LevelT {
		return err
	}
	if err := a.addValidation(ctx); err != nil || level == signing.LevelLT {
		return err
	}
	return a.addArchiveTimestamp(ctx)
}

// addTimestamp adds a signature-time-stamp (ETSI EN 319 122-1 5.3), and the chain of its authority
// to chains, because level B-LT needs validation data for it too.
func (a *assembly) addTimestamp(ctx context.Context, value []byte) error {
	token, chain, err := cms.RequestTimestamp(ctx, a.Timestamper, value, a.state.hash(), a.chains[0]...)
	if err != nil {
		return err
	}
	a.chains = append(a.chains, chain)
	if a.signer, err = cms.AddSignerAttribute(a.signer, cms.OIDSignatureTimestamp, token); err != nil {
		return cms.UnusableToken(err)
	}
	return nil
}

// addValidation adds the validation data of all chains to the SignedData (ETSI EN 319 122-1 6.3).
func (a *assembly) addValidation(ctx context.Context) error {
	data, others, err := evidence.Gather(ctx, a.Revocation, a.chains)
	if err != nil {
		return err
	}
	a.gathered = others
	a.message.Certificates = append(a.message.Certificates, data.Certificates.List()...)
	a.message.CRLs = append(a.message.CRLs, data.CRLs.List()...)
	for _, response := range data.OCSPs.List() {
		choice, err := cms.OCSPChoice(response)
		if err != nil {
			return internal("store OCSP response", err)
		}
		a.message.CRLs = append(a.message.CRLs, choice)
	}
	return nil
}

// addArchiveTimestamp adds an archive-time-stamp-v3 (ETSI EN 319 122-1 5.5) over everything so far.
func (a *assembly) addArchiveTimestamp(ctx context.Context) error {
	s, err := cms.ParseSigner(a.signer)
	if err != nil {
		return internal("read SignerInfo", err)
	}
	a.dropDuplicates()
	index, err := s.NewHashIndex(a.state.hash(), a.message.Certificates, a.message.CRLs)
	if err != nil {
		return internal("build hash index", err)
	}
	contentType := a.message.Content.Type
	if contentType == nil {
		contentType = cms.OIDData
	}
	digest, err := s.ArchiveDigest(contentType, a.state.ContentDigest, index)
	if err != nil {
		return internal("digest for archive timestamp", err)
	}
	token, err := cms.RequestToken(ctx, a.Timestamper, digest, a.state.hash())
	if err != nil {
		return err
	}
	if token, err = cms.AddUnsignedAttribute(token, cms.OIDHashIndexV3, index.Encode()); err != nil {
		return cms.UnusableToken(err)
	}
	if a.signer, err = cms.AddSignerAttribute(a.signer, cms.OIDArchiveTimestampV3, token); err != nil {
		return cms.UnusableToken(err)
	}
	return nil
}

// dropDuplicates leaves each certificate and each CRL once, as they are written.
func (a *assembly) dropDuplicates() {
	for _, list := range []*[][]byte{&a.message.Certificates, &a.message.CRLs} {
		var once evidence.Elements
		once.Add(*list...)
		*list = once.List()
	}
}

// finish returns the new bytes and the pieces of the signed file.
func (a *assembly) finish(o options) ([]byte, signing.Pieces, error) {
	a.dropDuplicates()
	if len(a.message.Certificates) > maxElements || len(a.message.CRLs) > maxElements {
		return nil, nil, signing.Errorf(signing.KindRevocation,
			"there are more than %d certificates, or OCSP responses and CRLs, to store", maxElements)
	}
	a.message.Signers = append(a.message.Signers, a.signer)
	a.addDigestAlgorithm()
	head, tail, err := a.message.Encode()
	if err != nil {
		return nil, nil, internal("encode SignedData", err)
	}
	if o.cosign {
		return a.finishCosigning(head, tail)
	}
	section := append(head[:len(head):len(head)], tail...)
	n := int64(len(section))
	if size := a.in.File.Size(); !o.detached && size > 0 {
		at := int64(len(head))
		return section, signing.Pieces{{New: true, To: at}, {To: size}, {New: true, From: at, To: n}}, nil
	}
	return section, signing.Pieces{{New: true, To: n}}, nil
}

// addDigestAlgorithm adds our hash to the algorithms of the message, unless it is there.
func (a *assembly) addDigestAlgorithm() {
	ours := cms.DigestAlgorithm(a.state.hash())
	for _, alg := range a.message.DigestAlgorithms {
		// Another signer may have written NULL as its parameters.
		if bytes.HasPrefix(alg[2:], ours[2:]) {
			return
		}
	}
	a.message.DigestAlgorithms = append(a.message.DigestAlgorithms, ours)
}
