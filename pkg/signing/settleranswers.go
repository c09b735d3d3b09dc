package signing

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// storeAnswer requests the answer of an earlier call for the documents that are still sent, and
// stores its signature values. why says what prevents that, and is nil when the call is settled.
// pending reports that the answer may still come. err is the store's.
func (s *settler) storeAnswer(
	ctx context.Context, record CallRecord, sent []Ref,
) (why *Error, pending bool, err error) {
	op, err := s.store.Operation(ctx, sent[0].Operation)
	if KindOf(err) == KindNotFound {
		return nil, false, nil // the operation was removed; the next search for orphans finds that out
	}
	if err != nil {
		return nil, false, err
	}
	p, err := s.cfg.Providers(op.ClientService)
	if err != nil {
		return AsError(err), mayStillCome(err), nil
	}
	r, ok := p.(Resumer)
	if !ok {
		return Errorf(KindConfiguration, "the client service's provider cannot give an answer again"), false, nil
	}
	call, prepared, err := s.repeatedCall(ctx, record, sent)
	if err != nil {
		return nil, false, err
	}
	bound := credentialResumer{p, r, record.Credential}
	values, pending, err := s.resumer.resume(ctx, bound, call, record.Handle)
	if err == nil {
		if err = s.checkValues(ctx, record.Refs, prepared, values); KindOf(err) == KindStorage {
			return nil, false, err
		}
	}
	if err == nil {
		s.log.Info("got the answer of an earlier call", "call", record.ID, "digests", len(values))
		s.pending.remove(record.ID)
		return nil, false, s.store.EndCall(ctx, record.ID, values)
	}
	s.log.Error(err, "could not get the answer of an earlier call", "call", record.ID)
	why = AsError(err)
	if errors.Is(err, ErrBadAnswer) {
		ctx, cancel := context.WithTimeout(ctx, s.cfg.Batch.CallTimeout)
		defer cancel()
		why, pending = explainBadAnswer(ctx, p, record, why)
	}
	return why, pending, nil
}

// repeatedCall returns the call of a record for Resumer. Its digests and prepared belong to
// record.Refs. They are nil for documents that are not sent any more. The error is the store's.
func (s *settler) repeatedCall(
	ctx context.Context, record CallRecord, sent []Ref,
) (call Call, prepared []*Prepared, err error) {
	call = Call{ID: record.ID, Digests: make([][]byte, len(record.Refs))}
	prepared = make([]*Prepared, len(record.Refs))
	for i, ref := range record.Refs {
		if !slices.Contains(sent, ref) {
			continue
		}
		p, _, err := s.store.Prepared(ctx, ref)
		if KindOf(err) == KindNotFound {
			continue // it was given up with its operation
		}
		if err != nil {
			return Call{}, nil, err
		}
		prepared[i], call.Digests[i] = &p, p.Digest
	}
	return call, prepared, nil
}

// checkValues verifies the values against the certificates that the documents were prepared for,
// which may have been renewed since. The error is the store's, or ErrBadAnswer with the reason.
func (s *settler) checkValues(ctx context.Context, refs []Ref, prepared []*Prepared, values [][]byte) error {
	bad := func(format string, args ...any) error {
		return badAnswer(fmt.Errorf(format, args...))
	}
	if len(values) != len(refs) {
		return bad("%d values for %d digests", len(values), len(refs))
	}
	for i, ref := range refs {
		if prepared[i] == nil {
			continue
		}
		docs, err := s.store.Documents(ctx, ref.Operation, ref.Index, 1)
		if err != nil {
			return storageError(err)
		}
		if len(docs) != 1 || s.cfg.Formats[docs[0].Signature.Type] == nil {
			return fmt.Errorf("document of value %d has no format", i)
		}
		if len(values[i]) > maxValueBytes {
			return bad("value %d has %d bytes", i, len(values[i]))
		}
		if err := s.cfg.Formats[docs[0].Signature.Type].CheckValue(*prepared[i], values[i]); err != nil {
			return bad("value %d: %w", i, err)
		}
	}
	return nil
}
