package pades

import (
	"context"
	"errors"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// rehearse goes the way of Embed with zeros in place of the signature and without validation data: a document whose signature could not
// be handed out in the end is refused before one is paid for.
func (f *Format) rehearse(ctx context.Context, in signing.Input, s *state) error {
	a := &assembly{Format: f, in: in, state: s}
	var err error
	if a.sections, err = s.fill(nil); err != nil {
		return err
	}
	a.signed = len(a.sections)
	if _, _, err := a.structure(ctx); err != nil {
		return refusal(ctx, err)
	}
	level := in.Signature.Level
	if level == signing.LevelB {
		return nil
	}
	if level != signing.LevelT {
		if err := a.store(&validation{}); err != nil {
			return refusal(ctx, err)
		}
	}
	_, err = a.prepareTimestamp(ctx, a.tokenSize()) // below B-LTA too: for a token that does not fit
	return refusal(ctx, err)
}

// refusal is a finding of the rehearsal as a fault of the document, of which nothing is signed yet: its own kind where it has one.
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
	return signing.Errorf(signing.KindUnsupported, "PDF cannot be signed: a reader would not find the signature in it").Because(err)
}
