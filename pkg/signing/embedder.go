package signing

import (
	"bytes"
	"context"
	"sync"
	"sync/atomic"
)

const (
	// storeTogether is how many bytes of finished sections a chunk collects before it stores them, so
	// that they share an fsync. The sections of a B-B chunk are fewer bytes in total.
	storeTogether = 2 << 20
	// maxUnstored is how many bytes of finished sections of all operations may wait to be stored.
	// Above that, each section is stored at once. Sections above B-T contain revocation lists of up to
	// some megabytes.
	maxUnstored = 16 << 20
)

// embedder makes the signed documents of one attempt. It is safe for concurrent use.
type embedder struct {
	cfg      *Config
	inputs   inputs
	cpu      slots
	network  slots
	unstored *atomic.Int64 // bytes of sections of all attempts that are finished and not stored yet
	results  *results
}

// embed makes, checks and stores the sections of docs.
func (em *embedder) embed(ctx context.Context, docs []Document) {
	if len(docs) == 0 {
		return
	}
	errs := make([]error, len(docs))
	finished := sectionBuffer{unstored: em.unstored, results: em.results}
	local, remote := byLevel(docs)
	var both sync.WaitGroup
	for _, part := range []struct {
		slots slots
		index []int
	}{{em.cpu, local}, {em.network, remote}} {
		both.Go(func() {
			part.slots.each(ctx, len(part.index), func(k int) {
				i := part.index[k]
				var signed DocumentResult
				if signed, errs[i] = em.embedOne(ctx, docs[i]); errs[i] == nil {
					finished.add(ctx, signed)
				}
			})
		})
	}
	both.Wait()
	em.results.failAll(ctx, docs, errs)
	finished.flush(ctx)
}

// byLevel separates documents that keep a core busy (local) from those that wait for a timestamp
// authority (remote). It returns indexes of docs.
func byLevel(docs []Document) (local, remote []int) {
	for i, d := range docs {
		if d.Signature.Level == LevelB {
			local = append(local, i)
		} else {
			remote = append(remote, i)
		}
	}
	return local, remote
}

func (em *embedder) embedOne(ctx context.Context, d Document) (signed DocumentResult, err error) {
	p, value, err := em.cfg.Store.Prepared(ctx, d.Ref)
	if err != nil {
		return signed, storageError(err)
	}
	return em.embedPrepared(ctx, d, p, value)
}

// embedPrepared makes and checks the section of a document.
func (em *embedder) embedPrepared(
	ctx context.Context, d Document, p Prepared, value []byte,
) (signed DocumentResult, err error) {
	defer panicToError(&err)
	signed.Ref, signed.Type, signed.Certificate = d.Ref, d.Signature.Type, p.Certificate
	format, in, err := em.inputs.open(ctx, d)
	if err != nil {
		return signed, err
	}
	defer in.File.Close()
	// The digest that was signed was computed while the bytes arrived. If the disk has changed them
	// since, the document must not be called signed.
	if err := checkUnaltered(in.File, d.Content); err != nil {
		return signed, diskFault(in.File, err)
	}
	if signed.Section, signed.Pieces, err = format.Embed(ctx, in, p, value); err == nil {
		_, err = Join(in.File, bytes.NewReader(signed.Section), signed.Pieces)
	}
	return signed, diskFault(in.File, err)
}

// sectionBuffer collects sections of one chunk that are finished and not stored yet. It is safe for
// concurrent use.
type sectionBuffer struct {
	unstored *atomic.Int64 // see embedder
	results  *results

	mu       sync.Mutex
	sections []DocumentResult
	bytes    int64
}

// add collects a section. It stores all collected sections when they reach a limit.
func (b *sectionBuffer) add(ctx context.Context, r DocumentResult) {
	n := int64(len(r.Section))
	ofAll := b.unstored.Add(n)
	b.mu.Lock()
	b.sections = append(b.sections, r)
	b.bytes += n
	full := b.bytes >= storeTogether
	b.mu.Unlock()
	if full || ofAll > maxUnstored {
		b.flush(ctx)
	}
}

// flush stores the collected sections.
func (b *sectionBuffer) flush(ctx context.Context) {
	b.mu.Lock()
	sections, bytes := b.sections, b.bytes
	b.sections, b.bytes = nil, 0
	b.mu.Unlock()
	b.results.store(ctx, sections)
	b.unstored.Add(-bytes)
}
