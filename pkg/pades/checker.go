package pades

import (
	"bytes"
	"context"
	"crypto/x509"
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

// checker checks the signed document that an assembly has made. It changes nothing of it.
type checker struct {
	joined   *joinedFile // the original with all sections
	size     int64       // of the original, in bytes
	sections []byte
	signed   int // bytes of the first section, which holds the signature
	state    *state
	chains   [][]*x509.Certificate // as in assembly
	gathered [][]*x509.Certificate // as in assembly
}

// checker returns the checker of the document as it is so far.
func (a *assembly) checker() *checker {
	return &checker{
		joined: a.joined(), size: a.in.File.Size(), sections: a.sections, signed: a.signed,
		state: a.state, chains: a.chains, gathered: a.gathered,
	}
}

// check verifies the signed document by a way of its own: it parses the joined document from its
// end, takes each gap from the ByteRange found there, continues the stored hash of the original for
// the digests, and wants the level that was asked for.
//
// Where nothing follows the signature, the structure of these very bytes was checked before it was
// made: what is left is in the gap.
func (c *checker) check(ctx context.Context, level signing.Level) error {
	if r := &c.state.Rehearsed; level == signing.LevelB && c.size == c.state.OriginalSize && r.same(c.sections) {
		return c.checkGap(r.GapStart, r.GapEnd)
	}
	doc, own, err := c.structure(ctx)
	if err != nil {
		return err
	}
	var found levelCheck
	for i := range own {
		if err := c.checkOwn(doc, &own[i], &found); err != nil {
			return err
		}
	}
	if err := c.checkLevel(doc, found, level); err != nil {
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
func (c *checker) structure(ctx context.Context) (*pdf.Document, []placed, error) {
	doc, err := pdf.Open(c.joined, c.joined.size())
	if err != nil {
		return nil, nil, finding("open: %w", err)
	}
	if doc.StartsAt() < c.size {
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
		if ours, err := c.place(ctx, doc, &p); err != nil {
			return nil, nil, err
		} else if !ours {
			continue
		}
		if names[p.field.name] > 1 {
			return nil, nil, finding("two signature fields have the same name")
		}
		signed = signed || c.isSignature(&p)
		own = append(own, p)
	}
	if !signed {
		return nil, nil, finding("its form does not hold the signature")
	}
	return doc, own, nil
}

// isSignature tells the signature from the document timestamps.
func (c *checker) isSignature(p *placed) bool { return p.ref.Number == c.state.Signature }

// place finds out whether a signature lies in the appended sections, and if so checks its
// dictionary and its widget.
func (c *checker) place(ctx context.Context, doc *pdf.Document, p *placed) (ours bool, err error) {
	split := c.size
	if p.byteRange, err = readByteRange(doc, p.dict); !c.isSignature(p) && (err != nil || p.gapStart < split) {
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
	if c.isSignature(p) && p.end != split+int64(c.signed) {
		return false, finding("its ByteRange ends at %d, its section at %d", p.end, split+int64(c.signed))
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
func (c *checker) checkOwn(doc *pdf.Document, p *placed, found *levelCheck) error {
	_, content, err := p.gap(doc)
	if err != nil {
		return finding("%w", err)
	}
	split := c.size
	digest, err := continueHash(
		c.state.hash(),
		c.state.Midstate,
		c.sections[:p.gapStart-split],
		c.sections[p.gapEnd-split:p.end-split],
	)
	if err != nil {
		return err
	}
	if !c.isSignature(p) {
		found.documentEnd = max(found.documentEnd, p.end)
		return c.checkDocumentTimestamp(content, digest)
	}
	found.stamped, err = c.checkSignedData(content, digest)
	return err
}

// checkGap checks the signature in a gap of the section, of which the structure is known to be
// right.
func (c *checker) checkGap(start, end int) error {
	content, err := contentOf(c.sections[start:end])
	if err != nil {
		return finding("%w", err)
	}
	digest, err := continueHash(c.state.hash(), c.state.Midstate, c.sections[:start], c.sections[end:])
	if err != nil {
		return err
	}
	_, err = c.checkSignedData(content, digest)
	return err
}

// checkSignedData verifies the SignedData found in the gap against the digest and the certificate
// that the key belongs to.
func (c *checker) checkSignedData(content, digest []byte) (stamped bool, err error) {
	sd, cert, err := verifyBaseline(content, digest, c.chains[0])
	if err != nil {
		return false, finding("SignedData: %w", err)
	}
	if !bytes.Equal(cert.Raw, c.state.Chain[0]) {
		return false, finding("it is signed with another certificate")
	}
	for _, raw := range c.state.Chain {
		if !slices.ContainsFunc(sd.RawCertificates, func(der []byte) bool { return bytes.Equal(der, raw) }) {
			return false, finding("SignedData: a certificate of the chain is missing")
		}
	}
	t, err := signatureTimestamp(sd)
	if err != nil {
		return false, finding("timestamp: %w", err)
	}
	return t != nil, nil
}

func (c *checker) checkDocumentTimestamp(content, digest []byte) error {
	t, err := cms.ParseTimestamp(content)
	if err != nil {
		return finding("document timestamp: %w", err)
	}
	if _, err := t.Verify(digest, c.state.hash()); err != nil {
		return finding("document timestamp: %w", err)
	}
	return nil
}

// checkLevel wants what the level asks for (ETSI EN 319 142-1 6.3).
func (c *checker) checkLevel(doc *pdf.Document, found levelCheck, level signing.Level) error {
	if level == signing.LevelB {
		return nil
	}
	if !found.stamped && found.documentEnd == 0 {
		return fmt.Errorf("there is no timestamp")
	}
	if level == signing.LevelT {
		return nil
	}
	store, err := readStore(doc)
	if err != nil {
		return err
	}
	if len(c.gathered) == 0 {
		return store.covers(c.chains[0])
	}
	for i, others := range c.gathered { // not the authority of the last timestamp, which came after the data was stored
		if err := store.coversAmong(c.chains[i], others); err != nil {
			return err
		}
	}
	if level == signing.LevelLTA && found.documentEnd != doc.Size() {
		return fmt.Errorf("no document timestamp covers the validation data")
	}
	return nil
}
