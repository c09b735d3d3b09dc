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

// errCheck is wrapped by every finding of the checker. A finding is a fault of this program, and
// the document is not handed out.
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

// check verifies the signed document independently of the code that made it. It parses the joined
// document from its end, takes each gap from the ByteRange in the document, continues the stored
// hash of the original for the digests, and checks that the requested level is reached.
//
// If nothing follows the signature, the rehearsal has checked the structure of exactly these bytes
// before. Then only the gap is left to check.
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

// structure checks everything in the joined document that does not depend on the gaps. It returns
// the signatures in the appended sections. It skips earlier signatures, because their faults
// existed before.
func (c *checker) structure(ctx context.Context) (*pdf.Document, []placed, error) {
	doc, err := pdf.Open(c.joined, c.joined.size())
	if err != nil {
		return nil, nil, finding("open: %w", err)
	}
	if doc.StartsAt() < c.size {
		return nil, nil, finding("its newest cross-reference section is in the original")
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

// isSignature reports whether p is the signature, and not a document timestamp.
func (c *checker) isSignature(p *placed) bool { return p.ref.Number == c.state.Signature }

// place reports whether a signature is in the appended sections. If it does, place checks its
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
		return false, finding("its gap is in the original")
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

// levelCheck collects what checkOwn finds and checkLevel needs.
type levelCheck struct {
	stamped     bool  // the signature carries a timestamp
	documentEnd int64 // end of our last document timestamp; 0 if there is none
}

// checkOwn checks the gap of one signature or document timestamp that this program made.
func (c *checker) checkOwn(doc *pdf.Document, p *placed, found *levelCheck) error {
	_, content, err := p.gap(doc)
	if err != nil {
		return finding("%w", err)
	}
	split := c.size
	digest, err := continueHash(c.state.hash(), c.state.Midstate, c.sections[:p.gapStart-split],
		c.sections[p.gapEnd-split:p.end-split])
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

// checkGap checks the signature in the gap of a section whose structure has been checked before.
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

// checkSignedData verifies the SignedData in the gap against the digest and the certificate of the
// key.
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

// checkLevel checks that the document has what the level requires (ETSI EN 319 142-1 6.3).
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
		return store.Covers(c.chains[0])
	}
	// without the authority of the last timestamp, which was made after the data was stored
	for i, others := range c.gathered {
		if err := store.CoversAmong(c.chains[i], others); err != nil {
			return err
		}
	}
	if level == signing.LevelLTA && found.documentEnd != doc.Size() {
		return fmt.Errorf("no document timestamp covers the validation data")
	}
	return nil
}
