package signing

import "context"

// renewalRounds is how often documents are prepared again within one try because their certificate
// was renewed. One round is enough where a certificate is renewed. More would be a service whose
// instances do not agree on a certificate.
const renewalRounds = 2

// value takes documents to their signature values, and returns those that have one. Documents whose
// certificate is renewed meanwhile are prepared again at once: a client may be waiting, and the
// fault is not the operation's.
func (t *try) value(ctx context.Context, docs []Document) []Document {
	var valued []Document
	for round := 0; len(docs) > 0; round++ {
		c := t.current()
		if c == nil {
			t.trouble(t.unread, docs...)
			break
		}
		done, renewed := t.sign(ctx, c, t.stampable(ctx, t.prepare(ctx, c, docs)), round < renewalRounds)
		valued = append(valued, done...)
		if docs = renewed; len(docs) > 0 && !t.reconnect(ctx, docs) {
			break
		}
	}
	return valued
}

// current returns the credential; nil = it cannot be used.
func (t *try) current() *Credential {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.credential
}

// reconnect reads the renewed credential for docs. It records the trouble and returns false if the
// credential cannot be used.
func (t *try) reconnect(ctx context.Context, docs []Document) bool {
	ctx, cancel := context.WithTimeout(ctx, t.s.cfg.Batch.CallTimeout)
	defer cancel()
	c, err := usable(ctx, t.provider)
	if err != nil {
		t.trouble(AsError(err), docs...)
		return false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.credential = c
	return true
}
