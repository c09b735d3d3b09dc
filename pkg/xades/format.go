package xades

import (
	"bytes"
	"context"
	"slices"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// Format signs XML documents. The zero value signs at level B-B. A Format is safe for concurrent
// use and keeps nothing between calls. The signed document is the original with one insertion. If
// the element that gets the signature is written <a/>, it becomes <a>…</a>.
type Format struct {
	// Profiles are what SignatureInfo.Profile can name; nil = the embedded ones.
	Profiles    *Profiles
	Timestamper signing.Timestamper // nil refuses levels above B-B with KindTimestamp
	Revocation  Revocation          // nil refuses levels above B-T with KindRevocation
}

var (
	_ signing.Format         = (*Format)(nil)
	_ signing.OptionsChecker = (*Format)(nil)
)

// CheckOptions implements signing.OptionsChecker. Its error for an unknown profile lists the known
// ones.
func (f *Format) CheckOptions(sig signing.SignatureInfo) error {
	p, err := f.profile(sig)
	if err != nil {
		return err
	}
	_, err = parseOptions(p, sig.Advanced)
	return err
}

// profile returns the profile that a request names.
func (f *Format) profile(sig signing.SignatureInfo) (*Profile, error) {
	profiles := f.Profiles
	if profiles == nil {
		profiles = embedded()
	}
	return profiles.profile(sig.Profile)
}

// Prepare implements signing.Format. It reads the original once, and a second time only if earlier
// signatures need another transform than the request asks for. It does not use Input.Midstate,
// because the canonical form is signed and not the bytes of the original.
func (f *Format) Prepare(ctx context.Context, in signing.Input, c *signing.Credential) (signing.Prepared, error) {
	p, err := f.profile(in.Signature)
	if err != nil {
		return signing.Prepared{}, err
	}
	return f.prepare(ctx, in, c, p)
}

func (f *Format) prepare(
	ctx context.Context, in signing.Input, c *signing.Credential, p *Profile,
) (signing.Prepared, error) {
	if err := in.Signature.Level.CheckSources(f.Timestamper != nil, f.Revocation != nil); err != nil {
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
		LineWidth:    p.lineWidth,
		Expected:     b.expected(),
	}
	s.prepareLevel(in.Signature.Level, b)
	stored, err := s.encode()
	if err != nil {
		return signing.Prepared{}, internal("write state", err)
	}
	return signing.Prepared{Digest: signature.digest, State: stored}, nil
}

// expected returns how the references are made.
func (b *blueprint) expected() expected {
	p := b.profile
	e := expected{
		Transform: b.scanned.transform, Digest: uint(p.Digest), PropertiesID: b.propertiesID(),
		Data: b.options.form.URI(), Info: p.SignedInfo.URI(), Properties: p.Properties.URI(), Version1: p.version1,
	}
	if p.signsKeyInfo() {
		e.KeyInfo, e.KeyInfoID = p.KeyInfo.URI(), b.keyInfoID()
		e.KeyInfoFirst = slices.Index(p.references, coversKeyInfo) < slices.Index(p.references, coversProperties)
	}
	return e
}

// prepareLevel stores what Embed needs for a level above B-B.
func (s *state) prepareLevel(level signing.Level, b blueprint) {
	if level == signing.LevelB {
		return
	}
	s.Context = &b.scanned.context
	s.Expected.Timestamps = b.profile.Timestamps.URI()
	for _, c := range b.credential.Chain {
		s.Chain = append(s.Chain, c.Raw)
	}
	if level == signing.LevelLTA {
		s.Midstate = b.scanned.midstate
	}
}

// Embed implements signing.Format. It reads the signed document once to check it. Levels above B-B
// request timestamps and validation data before that.
func (f *Format) Embed(
	ctx context.Context, in signing.Input, p signing.Prepared, value []byte,
) ([]byte, signing.Pieces, error) {
	if err := in.Signature.Level.CheckSources(f.Timestamper != nil, f.Revocation != nil); err != nil {
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
	signature, err := s.signature(value)
	if err != nil {
		return nil, nil, err
	}
	a, err := f.augment(ctx, s, signature, in.Signature.Level)
	if err != nil {
		return nil, nil, err
	}
	section, pieces := s.insert(a.text())
	joined, err := signing.Join(in.File, bytes.NewReader(section), pieces)
	if err != nil {
		return nil, nil, internal("join signed document", err)
	}
	if err := a.check(ctx, joined, in.Signature.Level); err != nil {
		return nil, nil, err
	}
	return section, pieces, nil
}

// signature returns the signature with its value, without unsigned properties.
func (s *state) signature(value []byte) (string, error) {
	c, err := s.certificate()
	if err != nil {
		return "", err
	}
	raw, err := xmlValue(c.PublicKey, value)
	if err != nil {
		return "", internal("write signature value", err)
	}
	return string(s.Head) + wrapped(raw, s.LineWidth) + string(s.Tail), nil
}

// insert returns the new bytes, in the encoding of the document, and the pieces of the signed
// document.
func (s *state) insert(text string) ([]byte, signing.Pieces) {
	rest := s.Place.At
	if s.Place.Empty != "" {
		text = ">" + text + "</" + s.Place.Empty
		rest += int64(len(s.Encoding.Append(nil, "/")))
	}
	section := s.Encoding.Append(nil, text)
	return section, signing.Pieces{
		{To: s.Place.At}, {New: true, To: int64(len(section))}, {From: rest, To: s.OriginalSize},
	}
}

// CheckValue implements signing.Format.
func (f *Format) CheckValue(p signing.Prepared, value []byte) error {
	s, err := readState(p.State)
	if err != nil {
		return err
	}
	return s.check(p.Digest, value)
}
