package xades

import (
	"bytes"
	"context"
	"encoding/base64"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// Format signs XML documents at level B-B. The zero value is ready for use. A Format is safe for
// concurrent use and keeps nothing between calls. The signed document is the original with one
// insertion. If the element that gets the signature is written <a/>, it becomes <a>…</a>.
type Format struct{}

var _ signing.Format = (*Format)(nil)

// Prepare implements signing.Format. It reads the original once, and a second time only if earlier
// signatures need another transform than the request asks for. It does not use Input.Midstate,
// because the canonical form is signed and not the bytes of the original.
func (f *Format) Prepare(ctx context.Context, in signing.Input, c *signing.Credential) (signing.Prepared, error) {
	return prepare(ctx, in, c, &baseline)
}

func prepare(ctx context.Context, in signing.Input, c *signing.Credential, p *Profile) (signing.Prepared, error) {
	if err := accepts(in.Signature); err != nil {
		return signing.Prepared{}, err
	}
	o, err := parseOptions(p, in.Signature.Advanced)
	if err != nil {
		return signing.Prepared{}, err
	}
	found, err := scan(ctx, in.File, p, o)
	if err != nil {
		return signing.Prepared{}, err
	}
	b := blueprint{profile: p, options: o, scanned: found, credential: c, size: in.File.Size(), time: in.Time}
	signature, err := b.build()
	if err != nil {
		return signing.Prepared{}, err
	}
	s := &state{
		Version:      stateVersion,
		OriginalSize: in.File.Size(),
		Place:        found.insertion,
		Encoding:     found.encoding,
		Head:         signature.head,
		Tail:         signature.tail,
		Algorithm:    c.Algorithm,
		Hash:         uint(c.Hash),
		Certificate:  c.Certificate().Raw,
		Expected: expected{
			Transform: found.transform, Digest: uint(p.Digest), PropertiesID: b.id + propertiesID,
			Data: o.form.URI(), Info: p.SignedInfo.URI(), Properties: p.Properties.URI(),
		},
	}
	stored, err := s.encode()
	if err != nil {
		return signing.Prepared{}, internal("write state", err)
	}
	return signing.Prepared{Digest: signature.digest, State: stored}, nil
}

// accepts refuses a level that does not exist here. It runs before any other work.
func accepts(sig signing.SignatureInfo) error {
	if sig.Level != signing.LevelB {
		return signing.Errorf(signing.KindInvalid, "level %q is not supported for XAdES", sig.Level)
	}
	return nil
}

// Embed implements signing.Format. It reads the signed document once to check it.
func (f *Format) Embed(
	ctx context.Context, in signing.Input, p signing.Prepared, value []byte,
) ([]byte, signing.Pieces, error) {
	if err := accepts(in.Signature); err != nil {
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
	if err := s.check(p.Digest, value); err != nil {
		return nil, nil, internal("check signature value", err)
	}
	section, pieces, err := s.insert(value)
	if err != nil {
		return nil, nil, err
	}
	joined, err := signing.Join(in.File, bytes.NewReader(section), pieces)
	if err != nil {
		return nil, nil, internal("join signed document", err)
	}
	if err := checkSigned(ctx, joined, s); err != nil {
		return nil, nil, err
	}
	return section, pieces, nil
}

// insert returns the new bytes, in the encoding of the document, and the pieces of the signed
// document.
func (s *state) insert(value []byte) ([]byte, signing.Pieces, error) {
	c, err := s.certificate()
	if err != nil {
		return nil, nil, err
	}
	raw, err := xmlValue(c.PublicKey, value)
	if err != nil {
		return nil, nil, internal("write signature value", err)
	}
	text := string(s.Head) + base64.StdEncoding.EncodeToString(raw) + string(s.Tail)
	rest := s.Place.At
	if s.Place.Empty != "" {
		text = ">" + text + "</" + s.Place.Empty
		rest += int64(len(s.Encoding.Append(nil, "/")))
	}
	section := s.Encoding.Append(nil, text)
	return section, signing.Pieces{
		{To: s.Place.At}, {New: true, To: int64(len(section))}, {From: rest, To: s.OriginalSize},
	}, nil
}

// CheckValue implements signing.Format.
func (f *Format) CheckValue(p signing.Prepared, value []byte) error {
	s, err := readState(p.State)
	if err != nil {
		return err
	}
	return s.check(p.Digest, value)
}
