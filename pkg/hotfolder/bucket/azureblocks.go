package bucket

import (
	"context"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
)

// azureBlocks is a blob that is written in blocks. Nobody sees blocks that are not committed. The
// store discards them after a week, and when somebody else writes the blob.
type azureBlocks struct {
	*azureStore
	key, id string
	ids     []string
}

func (a *azureStore) blocks(key string) *azureBlocks {
	return &azureBlocks{azureStore: a, key: key, id: nonce()}
}

// add writes the next block. All IDs have the same length, as the store demands.
func (b *azureBlocks) add(ctx context.Context, content []byte) error {
	id := base64.StdEncoding.EncodeToString(fmt.Appendf(nil, "%s-%05d", b.id, len(b.ids)))
	err := b.send(ctx, request{op: "write part", method: http.MethodPut, body: content, limit: b.patience.data,
		url: b.blob(b.key) + "?comp=block&blockid=" + url.QueryEscape(id)}, nil)
	if err == nil {
		b.ids = append(b.ids, id)
	}
	return err
}

// carry writes all blocks of a copy. The bytes pass through this process, because a copy by the
// store is visible before it is complete.
func (b *azureBlocks) carry(ctx context.Context, from object) error {
	buffer, err := b.buffers.take(ctx)
	if err != nil {
		return err
	}
	defer b.buffers.give(buffer)
	for offset := int64(0); offset < from.size; offset += partBytes {
		part := buffer[:min(partBytes, from.size-offset)]
		if err := b.read(ctx, from, part, offset); err != nil {
			return err
		}
		if err := b.add(ctx, part); err != nil {
			return err
		}
	}
	return nil
}

// commit makes the blocks visible.
func (a *azureStore) commit(ctx context.Context, key string, ids []string, header http.Header) (string, error) {
	var list struct {
		XMLName xml.Name `xml:"BlockList"`
		Latest  []string
	}
	list.Latest = ids
	body, err := xml.Marshal(list)
	if err != nil {
		return "", err
	}
	version := ""
	err = a.send(
		ctx,
		request{op: "complete upload", method: http.MethodPut, url: a.blob(key) + "?comp=blocklist", body: body,
			header: header, limit: a.patience.data},
		func(r *http.Response) error {
			version = r.Header.Get("Etag")
			return nil
		},
	)
	return version, err
}

func (a *azureStore) upload(ctx context.Context, to object, content io.Reader) (object, error) {
	b := a.blocks(to.key)
	part, err := b.buffers.take(ctx)
	if err != nil {
		return object{}, err
	}
	defer b.buffers.give(part)
	for last := false; !last; {
		n, err := io.ReadFull(content, part)
		last = err == io.EOF || err == io.ErrUnexpectedEOF
		if err != nil && !last {
			return object{}, err
		}
		if n > 0 {
			if err := b.add(ctx, part[:n]); err != nil {
				return object{}, err
			}
		}
		to.size += int64(n)
	}
	to.version, err = a.commit(ctx, to.key, b.ids, describe(to.kind, to.meta))
	return to, err
}

func (a *azureStore) copy(ctx context.Context, key string, from object, meta map[string]string) error {
	b := a.blocks(key)
	if err := b.carry(ctx, from); err != nil {
		return err
	}
	_, err := a.commit(ctx, key, b.ids, describe(from.kind, meta))
	return err
}

// prepare writes the blocks of the copy.
func (a *azureStore) prepare(ctx context.Context, key string, from object, meta map[string]string) (ticket, error) {
	b := a.blocks(key)
	if err := b.carry(ctx, from); err != nil {
		return ticket{}, err
	}
	t := ticket{Parts: b.ids, Kind: from.kind, Meta: map[string]string{ticketID: b.id}}
	maps.Copy(t.Meta, meta)
	return t, nil
}

// show commits the blocks, under the condition that the name is free. Blocks that are committed do
// not come back when the blob is deleted.
func (a *azureStore) show(ctx context.Context, key string, t ticket) error {
	header := describe(t.Kind, t.Meta)
	header.Set("If-None-Match", "*")
	_, err := a.commit(ctx, key, t.Parts, header)
	if errors.Is(err, errCondition) || errors.Is(err, errNotFound) {
		return shownBefore(ctx, a, key, t, err)
	}
	return err
}

// abandon leaves the blocks to the store.
func (a *azureStore) abandon(context.Context, string, ticket) {}

// shownBefore judges a show that failed with err, because the name is taken or the store does not
// know the copy any more. The object is ours if it has our ticket.
func shownBefore(ctx context.Context, s store, key string, t ticket, err error) error {
	now, headErr := s.head(ctx, key)
	switch {
	case headErr == nil && now.meta[ticketID] == t.Meta[ticketID]:
		return nil
	case headErr == nil:
		return newFault(errCondition, "complete upload", s.name(), "", nil)
	case errors.Is(headErr, errNotFound) && errors.Is(err, errNotFound):
		return newFault(errVanished, "complete upload", s.name(), "", nil)
	case errors.Is(headErr, errNotFound):
		return err
	}
	return headErr
}
