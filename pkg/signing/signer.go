package signing

import (
	"context"
	"errors"
)

// renewalRounds is how often documents are prepared again within one attempt because their
// certificate was renewed. One round is enough where a certificate is renewed. More rounds would
// mean that the instances of a service do not agree on a certificate.
const renewalRounds = 2

// signer gets the signature values for the documents of one attempt. It is safe for concurrent use.
type signer struct {
	cfg        *Config
	op         Operation
	waiting    bool // a client waits for the operation
	connection *connection
	preparer   *preparer
	batcher    *batcher
	results    *results
}

// sign takes documents to their signature values, and returns those that have one. Documents whose
// certificate is renewed meanwhile are prepared again at once, because a client may be waiting and
// the fault is not the operation's.
func (s *signer) sign(ctx context.Context, docs []Document) []Document {
	var valued []Document
	for round := 0; len(docs) > 0; round++ {
		c, fault := s.connection.current()
		if c == nil {
			s.results.leave(fault, docs...)
			break
		}
		prepared := s.timestampable(ctx, s.preparer.prepare(ctx, c, docs))
		done, renewed := s.send(ctx, c, prepared, round < renewalRounds)
		valued = append(valued, done...)
		docs = renewed
		if len(docs) == 0 {
			break
		}
		if fault := s.connection.renew(ctx); fault != nil {
			s.results.leave(fault, docs...)
			break
		}
	}
	return valued
}

// timestampable returns the documents for which a signature may be spent now. Those that need a
// timestamp are left while no authority gives one.
func (s *signer) timestampable(ctx context.Context, docs []preparedDoc) []preparedDoc {
	var withoutTimestamp []preparedDoc
	var withTimestamp []Document
	for _, d := range docs {
		if d.Signature.Level == LevelB {
			withoutTimestamp = append(withoutTimestamp, d)
		} else {
			withTimestamp = append(withTimestamp, d.Document)
		}
	}
	if len(withTimestamp) == 0 || s.cfg.TimestampReady == nil {
		return docs
	}
	if err := s.cfg.TimestampReady(ctx); err != nil {
		s.results.leave(AsError(err), withTimestamp...)
		return withoutTimestamp
	}
	return docs
}

// send passes the digests to the batcher and waits for all results. valued are the documents whose
// signature value is stored. With again, renewed are the documents that must be prepared for a
// renewed certificate.
func (s *signer) send(ctx context.Context, c *Credential, docs []preparedDoc, again bool) (valued, renewed []Document) {
	if len(docs) == 0 || ctx.Err() != nil {
		return nil, nil
	}
	items := make([]*item, len(docs))
	for i, d := range docs {
		items[i] = &item{ref: d.Ref, digest: d.digest, clientService: s.op.ClientService, waiting: s.waiting}
	}
	s.batcher.sign(ctx, s.connection.provider, c, items)
	all := make([]Document, len(docs))
	errs := make([]error, len(docs))
	for i, it := range items {
		all[i] = docs[i].Document
		switch {
		case it.err == nil:
			valued = append(valued, docs[i].Document)
		case again && errors.Is(it.err, errNewCertificate) && AsError(it.err).Retry:
			renewed = append(renewed, docs[i].Document)
		default:
			errs[i] = it.err
		}
	}
	s.results.failAll(ctx, all, errs)
	return valued, renewed
}
