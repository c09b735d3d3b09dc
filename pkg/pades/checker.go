package pades

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/signstash-proxy/signstash-proxy/pkg/cms"
	"github.com/signstash-proxy/signstash-proxy/pkg/pdf"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// errCheck is wrapped by every finding of the checker: a fault of ours, which never becomes a
// signed document.
var errCheck = errors.New("the signed document did not pass its check")

func finding(format string, args ...any) error {
	return internal("check signed document", fmt.Errorf("%w: "+format, append([]any{errCheck}, args...)...))
}

// check verifies the signed document by a way of its own: it parses the joined document from its
// end, takes each gap from the ByteRange found there, continues the stored hash of the original for
// the digests, and wants the level that was asked for.
//
// Where nothing follows the signature, the structure of these very bytes was checked before it was
// made: what is left is in the gap.
func (a *assembly) check(ctx context.Context, level signing.Level) error {
	if r := &a.state.Rehearsed; level == signing.LevelB && a.in.File.Size() == a.state.OriginalSize && r.same(a.sections) {
		return a.checkGap(r.GapStart, r.GapEnd)
	}
	doc, own, err := a.structure(ctx)
	if err != nil {
		return err
	}
	var c levelCheck
	for i := range own {
		if err := a.checkOwn(doc, &own[i], &c); err != nil {
			return err
		}
	}
	if err := a.checkLevel(doc, c, level); err != nil {
		return finding("level %s: %w", level, err)
	}
	return nil
}

// placed is a signature or document timestamp in the appended sections.
type placed struct {
	signature
	byteRange
}

// structure holds the joined document against all that does not depend on its gaps, and returns
// what lies in the appended sections. Earlier signatures are left alone: whatever is wrong with
// them was so before.
func (a *assembly) structure(ctx context.Context) (*pdf.Document, []placed, error) {
	joined := a.joined()
	doc, err := pdf.Open(joined, joined.size())
	if err != nil {
		return nil, nil, finding("open: %w", err)
	}
	if doc.StartsAt() < joined.split {
		return nil, nil, finding("its newest cross-reference section lies in the original")
	}
	if err := checkForm(doc); err != nil {
		return nil, nil, err
	}
	all, err := readSignatures(doc)
	if err != nil {
		return nil, nil, finding("%w", err)
	}
	names := map[string]int{}
	for i := range all {
		names[all[i].field.name]++
	}
	var own []placed
	signed := false
	for i := range all {
		p := placed{signature: all[i]}
		if ours, err := a.place(ctx, doc, &p); err != nil {
			return nil, nil, err
		} else if !ours {
			continue
		}
		if names[p.field.name] > 1 {
			return nil, nil, finding("two signature fields have the same name")
		}
		signed = signed || a.isSignature(&p)
		own = append(own, p)
	}
	if !signed {
		return nil, nil, finding("its form does not hold the signature")
	}
	return doc, own, nil
}

// isSignature tells the signature from the document timestamps.
func (a *assembly) isSignature(p *placed) bool { return p.ref.Number == a.state.Signature }

// place finds out whether a signature lies in the appended sections, and if so checks its
// dictionary and its widget.
func (a *assembly) place(ctx context.Context, doc *pdf.Document, p *placed) (ours bool, err error) {
	split := a.in.File.Size()
	if p.byteRange, err = readByteRange(doc, p.dict); !a.isSignature(p) && (err != nil || p.gapStart < split) {
		return false, nil
	}
	if err != nil {
		return false, finding("%w", err)
	}
	if err := p.checkDictionary(); err != nil {
		return false, finding("%w", err)
	}
	if err := p.checkWidget(ctx, doc); err != nil {
		return false, finding("%w", err)
	}
	if p.gapStart < split {
		return false, finding("its gap lies in the original")
	}
	if a.isSignature(p) && p.end != split+int64(a.signed) {
		return false, finding("its ByteRange ends at %d, its section at %d", p.end, split+int64(a.signed))
	}
	return true, nil
}

func checkForm(doc *pdf.Document) error {
	catalog, _, err := doc.Catalog()
	if err != nil {
		return finding("catalog: %w", err)
	}
	form, err := doc.DictAt(catalog, "AcroForm")
	if err != nil {
		return finding("form: %w", err)
	}
	if flags, err := doc.Int(form.Get("SigFlags"), 0); err != nil || flags&sigFlags != sigFlags {
		return finding("SigFlags are %d", flags)
	}
	return nil
}

// levelCheck is what checkOwn found on the way.
type levelCheck struct {
	stamped     bool  // the signature carries a timestamp
	documentEnd int64 // where the last document timestamp of ours ends; 0 = there is none
}

// checkOwn checks what is in the gap of a signature or document timestamp of ours.
func (a *assembly) checkOwn(doc *pdf.Document, p *placed, c *levelCheck) error {
	_, content, err := p.gap(doc)
	if err != nil {
		return finding("%w", err)
	}
	split := a.in.File.Size()
	digest, err := continueHash(
		a.hash(),
		a.state.Midstate,
		a.sections[:p.gapStart-split],
		a.sections[p.gapEnd-split:p.end-split],
	)
	if err != nil {
		return err
	}
	if !a.isSignature(p) {
		c.documentEnd = max(c.documentEnd, p.end)
		return a.checkDocumentTimestamp(content, digest)
	}
	c.stamped, err = a.checkSignedData(content, digest)
	return err
}

// checkGap checks the signature in a gap of the section, of which the structure is known to be
// right.
func (a *assembly) checkGap(start, end int) error {
	content, err := contentOf(a.sections[start:end])
	if err != nil {
		return finding("%w", err)
	}
	digest, err := continueHash(a.hash(), a.state.Midstate, a.sections[:start], a.sections[end:])
	if err != nil {
		return err
	}
	_, err = a.checkSignedData(content, digest)
	return err
}

// checkSignedData verifies the SignedData found in the gap against the digest and the certificate
// that the key belongs to.
func (a *assembly) checkSignedData(content, digest []byte) (stamped bool, err error) {
	sd, cert, err := verifyBaseline(content, digest, a.chains[0])
	if err != nil {
		return false, finding("SignedData: %w", err)
	}
	if !bytes.Equal(cert.Raw, a.state.Chain[0]) {
		return false, finding("it is signed with another certificate")
	}
	for _, raw := range a.state.Chain {
		if !slices.ContainsFunc(sd.RawCertificates, func(c []byte) bool { return bytes.Equal(c, raw) }) {
			return false, finding("SignedData: a certificate of the chain is missing")
		}
	}
	t, err := signatureTimestamp(sd)
	if err != nil {
		return false, finding("timestamp: %w", err)
	}
	return t != nil, nil
}

func (a *assembly) checkDocumentTimestamp(content, digest []byte) error {
	t, err := cms.ParseTimestamp(content)
	if err != nil {
		return finding("document timestamp: %w", err)
	}
	if _, err := t.Verify(digest, a.hash()); err != nil {
		return finding("document timestamp: %w", err)
	}
	return nil
}

// checkLevel wants what the level asks for (ETSI EN 319 142-1 6.3).
func (a *assembly) checkLevel(doc *pdf.Document, c levelCheck, level signing.Level) error {
	if level == signing.LevelB {
		return nil
	}
	if !c.stamped && c.documentEnd == 0 {
		return fmt.Errorf("there is no timestamp")
	}
	if level == signing.LevelT {
		return nil
	}
	store, err := readStore(doc)
	if err != nil {
		return err
	}
	if len(a.gathered) == 0 {
		return store.covers(a.chains[0])
	}
	for i, others := range a.gathered { // not the authority of the last timestamp, which came after the data was stored
		if err := store.coversAmong(a.chains[i], others); err != nil {
			return err
		}
	}
	if level == signing.LevelLTA && c.documentEnd != doc.Size() {
		return fmt.Errorf("no document timestamp covers the validation data")
	}
	return nil
}
