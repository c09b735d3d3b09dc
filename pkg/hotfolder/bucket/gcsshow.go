package bucket

import (
	"context"
	"errors"
	"maps"
	"net/http"
)

// gcsUnit is the size of which a part that is not the last must be a multiple.
const gcsUnit = 256 << 10

// takenName is the ticket of a copy whose name was taken when it was prepared.
const takenName = "taken"

// prepare sends all but the last bytes to a resumable session. The object appears with the last
// bytes, under the condition that the name is free. The store keeps a session for a week.
func (g *gcsStore) prepare(ctx context.Context, key string, from object, meta map[string]string) (ticket, error) {
	t := ticket{Meta: map[string]string{ticketID: nonce()}, From: []byte(from.key), Version: from.version, Size: from.size}
	maps.Copy(t.Meta, meta)
	var err error
	t.Upload, err = g.session(ctx, gcsObject{Name: key, ContentType: from.kind, Metadata: t.Meta}, true)
	if errors.Is(err, errCondition) {
		return ticket{Upload: takenName}, nil
	}
	if err != nil {
		return ticket{}, err
	}
	if from.size > 0 {
		t.Sent = (from.size - 1) / gcsUnit * gcsUnit
	}
	if err := g.sendStart(ctx, from, t); err != nil {
		g.abandon(ctx, key, t)
		return ticket{}, err
	}
	return t, nil
}

// sendStart sends the bytes before the last ones.
func (g *gcsStore) sendStart(ctx context.Context, from object, t ticket) error {
	buffer, err := g.buffers.take(ctx)
	if err != nil {
		return err
	}
	defer g.buffers.give(buffer)
	for offset := int64(0); offset < t.Sent; offset += partBytes {
		part := buffer[:min(partBytes, t.Sent-offset)]
		if err := g.read(ctx, from, part, offset); err != nil {
			return err
		}
		if _, err := g.sendPart(ctx, t.Upload, part, offset, false); err != nil {
			return err
		}
	}
	return nil
}

// show sends the last bytes. A session that is complete ignores them, and the store remembers it
// for a week.
func (g *gcsStore) show(ctx context.Context, key string, t ticket) error {
	if t.Upload == takenName {
		return newFault(errCondition, "complete upload", g.bucket, "", nil)
	}
	tail := make([]byte, t.Size-t.Sent)
	if err := g.read(ctx, object{key: string(t.From), version: t.Version}, tail, t.Sent); err != nil {
		return err
	}
	_, err := g.sendPart(ctx, t.Upload, tail, t.Sent, true)
	if errors.Is(err, errCondition) || errors.Is(err, errNotFound) {
		return shownBefore(ctx, g, key, t, err)
	}
	return err
}

// abandon cancels a session.
func (g *gcsStore) abandon(ctx context.Context, _ string, t ticket) {
	if t.Upload == "" || t.Upload == takenName {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), abortTime)
	defer cancel()
	_ = g.attempt(ctx, request{method: http.MethodDelete, url: t.Upload}, nil)
}
