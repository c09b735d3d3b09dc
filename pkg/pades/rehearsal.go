package pades

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"

	"github.com/signstash-proxy/signstash-proxy/pkg/internal/evidence"
	"github.com/signstash-proxy/signstash-proxy/pkg/pdf"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// rehearse does what Embed will do, with zeros in place of the signature and without validation
// data. A document that would fail the check of Embed is refused before a signature is paid for.
func (f *Format) rehearse(ctx context.Context, in signing.Input, s *state) error {
	a := &assembly{Format: f, in: in, state: s}
	var err error
	if a.sections, err = s.fill(nil); err != nil {
		return err
	}
	a.signed = len(a.sections)
	doc, own, err := a.checker().structure(ctx)
	if err != nil {
		return refusal(ctx, err)
	}
	level := in.Signature.Level
	if level == signing.LevelB {
		return refusal(ctx, s.Rehearsed.record(a, doc, own))
	}
	if level != signing.LevelT {
		if err := a.store(&evidence.Data{}); err != nil {
			return refusal(ctx, err)
		}
	}
	_, err = a.prepareTimestamp(ctx, a.tokenSize()) // also below B-LTA, for a token that does not fit
	return refusal(ctx, err)
}

// record keeps the result of the structural check of a section, for a signature that no revision
// follows.
func (r *rehearsed) record(a *assembly, doc *pdf.Document, own []placed) error {
	if len(own) != 1 {
		return finding("there are %d signatures in its section", len(own))
	}
	if _, _, err := own[0].gap(doc); err != nil {
		return finding("%w", err)
	}
	split := a.in.File.Size()
	r.GapStart, r.GapEnd = int(own[0].gapStart-split), int(own[0].gapEnd-split)
	r.Around = r.around(a.sections)
	return nil
}

// around returns the digest of a section without the gap.
func (r *rehearsed) around(section []byte) []byte {
	h := sha256.New()
	h.Write(section[:r.GapStart])
	h.Write(section[r.GapEnd:])
	return h.Sum(nil)
}

// same reports whether a section differs from the checked one only in the gap.
func (r *rehearsed) same(section []byte) bool {
	return len(r.Around) > 0 && 0 <= r.GapStart && r.GapStart < r.GapEnd && r.GapEnd <= len(section) &&
		bytes.Equal(r.Around, r.around(section))
}

// refusal turns a finding of the rehearsal into an error about the document, because nothing is
// signed yet. It keeps the kind of the error that caused the finding, if there is one.
func refusal(ctx context.Context, err error) error {
	if err == nil || ctx.Err() != nil {
		return ctx.Err()
	}
	for e := signing.AsError(err); e != nil; {
		if e.Kind != signing.KindInternal {
			return e
		}
		cause := e.Err
		if e = nil; !errors.As(cause, &e) {
			break
		}
	}
	return signing.Errorf(
		signing.KindUnsupported, "PDF cannot be signed: a reader would not find the signature in it",
	).Because(err)
}
