package cades

import (
	"bytes"
	"context"
	"crypto"
	"errors"
	"slices"

	"github.com/signstash-proxy/signstash-proxy/pkg/cms"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

const (
	// maxSigners is how many signers a file may have. It is the bound of pkg/cms on what it reads.
	maxSigners = 16
	// maxTextContent bounds the content of a PEM or base64 file to be co-signed, in bytes. The signed
	// file is binary, so such a content is written again, and it is in memory meanwhile.
	maxTextContent = 16 << 20
)

// readExisting reads a file to be co-signed.
func readExisting(ctx context.Context, file signing.Sized) (*message, error) {
	m, err := readMessage(ctx, file)
	switch {
	case err != nil:
		return nil, err
	case len(m.signed.Signers) == 0:
		return nil, signing.Errorf(signing.KindUnsupported,
			"the file has no signature, so there is nothing to co-sign. It may be a list of certificates")
	case !m.attached:
		return nil, signing.Errorf(signing.KindUnsupported,
			"the file is a detached signature. It cannot be co-signed, because it does not contain what would be signed")
	case !m.octets || !m.signed.ContentType.Equal(cms.OIDData):
		return nil, signing.Errorf(signing.KindUnsupported,
			"the file cannot be co-signed, because its content is not of type id-data")
	case m.further > 0:
		return nil, damaged("further bytes follow its structure")
	case len(m.signed.Signers) >= maxSigners:
		return nil, tooLarge("it has %d signatures already", len(m.signed.Signers))
	case m.source.text != "" && m.size > maxTextContent:
		return nil, signing.Errorf(signing.KindTooComplex,
			"the file is %s and has a content of %d bytes. Above %d bytes only a binary file can be co-signed",
			m.encoding, m.size, maxTextContent)
	}
	return m, nil
}

// digestToCosign returns the digest of the content of a file to be co-signed. It refuses a file
// with a signature that is wrong.
func digestToCosign(m *message, algorithm crypto.Hash) ([]byte, error) {
	digests, err := m.digests(append(m.hashes(), algorithm))
	if err != nil {
		return nil, err
	}
	for i := range m.signed.Signers {
		s := &m.signed.Signers[i]
		digest, ok := digests[s.Hash]
		if !ok {
			continue
		}
		if _, err := m.signed.VerifySigner(s, digest); errors.Is(err, cms.ErrMismatch) {
			return nil, signing.Errorf(signing.KindBroken, "signature %d of the file is not valid: %v", i+1, err)
		}
	}
	return digests[algorithm], nil
}

// checkNew refuses to add a signature that the file contains already: by the same key, in the same
// second.
func (m *message) checkNew(attributes []byte) error {
	for i := range m.signed.Signers {
		if bytes.Equal(m.signed.Signers[i].RawSignedAttributes, attributes) {
			return signing.Errorf(signing.KindUnsupported,
				"the file contains this signature already: it was made with the same key in the same second")
		}
	}
	return nil
}

// startCosigning makes the message from the file to be co-signed.
func (a *assembly) startCosigning(ctx context.Context) error {
	m, err := readExisting(ctx, a.in.File)
	if err != nil {
		return err
	}
	a.existing = m
	a.message = cms.Message{
		Version:          m.signed.Version,
		DigestAlgorithms: m.signed.RawDigestAlgorithms,
		Content:          cms.Content{Form: cms.Element, Size: m.elementEnd - m.elementAt},
		Certificates:     slices.Clone(m.certificates),
		CRLs:             slices.Clone(m.crls),
		Signers:          slices.Clone(m.signers),
	}
	if a.in.Signature.Level == signing.LevelLTA && !m.hasDER() {
		return signing.Errorf(signing.KindUnsupported, "the file cannot be co-signed at level %s, "+
			"because a certificate, a CRL or an OCSP response in it is not DER", signing.LevelLTA)
	}
	if m.source.text != "" {
		a.message.Content = cms.Content{Form: cms.Octets, Size: m.size}
	}
	return m.checkNew(a.state.Attributes)
}

// hasDER reports whether the certificates and the CRLs are DER. The verifier compares archive
// timestamps with their DER form.
func (m *message) hasDER() bool {
	return slices.EqualFunc(m.certificates, m.signed.RawCertificates, bytes.Equal) &&
		slices.EqualFunc(m.crls, m.signed.CRLs, bytes.Equal)
}

// finishCosigning returns the new bytes and the pieces of a co-signed file. Its content is the
// element of the existing file with the content in it. What is around the content is written again.
func (a *assembly) finishCosigning(head, tail []byte) ([]byte, signing.Pieces, error) {
	m := a.existing
	if m.source.text == "" {
		section := slices.Concat(head, tail)
		at := int64(len(head))
		return section, signing.Pieces{
			{New: true, To: at}, {From: m.elementAt, To: m.elementEnd}, {New: true, From: at, To: int64(len(section))},
		}, nil
	}
	section := bytes.NewBuffer(slices.Grow(head, int(m.size)+len(tail)))
	if err := m.copyContent(section); err != nil {
		return nil, nil, err
	}
	section.Write(tail)
	return section.Bytes(), signing.Pieces{{New: true, To: int64(section.Len())}}, nil
}
