package signing

import (
	"context"
	"sync"
)

// embed makes, checks and stores the appended sections of docs.
func (t *try) embed(ctx context.Context, docs []Document) {
	if len(docs) == 0 {
		return
	}
	errs := make([]error, len(docs))
	finished := gathering{t: t}
	local, remote := t.byLevel(docs)
	var both sync.WaitGroup
	for _, part := range []struct {
		slots chan struct{}
		index []int
	}{{t.s.cpu, local}, {t.s.net, remote}} {
		both.Go(func() {
			t.each(ctx, part.slots, len(part.index), func(k int) {
				i := part.index[k]
				var section []byte
				if section, errs[i] = t.embedOne(ctx, docs[i]); errs[i] == nil {
					finished.add(ctx, DocumentResult{Ref: docs[i].Ref, Section: section})
				}
			})
		})
	}
	both.Wait()
	t.failAll(ctx, docs, errs)
	finished.store(ctx)
}

const (
	// storeTogether is how many bytes of finished sections a chunk collects before it stores them, so
	// that they share an fsync. The sections of a B-B chunk are fewer bytes in total.
	storeTogether = 2 << 20
	// maxUnstored is how many bytes of finished sections of all operations may wait to be stored.
	// Above that, each section is stored at once. Sections above B-T contain revocation lists of up to
	// some megabytes.
	maxUnstored = 16 << 20
)

// gathering collects sections that are finished and not stored yet.
type gathering struct {
	t *try

	mu      sync.Mutex
	results []DocumentResult
	bytes   int64
}

// add collects a section. It stores all collected sections when they reach a limit.
func (g *gathering) add(ctx context.Context, r DocumentResult) {
	n := int64(len(r.Section))
	everywhere := g.t.s.unstored.Add(n)
	g.mu.Lock()
	g.results = append(g.results, r)
	g.bytes += n
	many := g.bytes >= storeTogether
	g.mu.Unlock()
	if many || everywhere > maxUnstored {
		g.store(ctx)
	}
}

// store stores the collected sections.
func (g *gathering) store(ctx context.Context) {
	g.mu.Lock()
	results, bytes := g.results, g.bytes
	g.results, g.bytes = nil, 0
	g.mu.Unlock()
	g.t.finish(ctx, results)
	g.t.s.unstored.Add(-bytes)
}

// byLevel separates documents that keep a core busy (local) from those that wait for a timestamp
// authority (remote). It returns indexes of docs.
func (t *try) byLevel(docs []Document) (local, remote []int) {
	for i, d := range docs {
		if d.Signature.Level == LevelB {
			local = append(local, i)
		} else {
			remote = append(remote, i)
		}
	}
	return local, remote
}

func (t *try) embedOne(ctx context.Context, d Document) (section []byte, err error) {
	defer recovered(&err)
	p, value, err := t.s.cfg.Store.Prepared(ctx, d.Ref)
	if err != nil {
		return nil, storageError(err)
	}
	format, in, err := t.open(ctx, d)
	if err != nil {
		return nil, err
	}
	defer in.File.Close()
	// The digest that was signed was computed while the bytes arrived. If the disk has changed them
	// since, the document must not be called signed.
	if err := unaltered(in.File, d.Content); err != nil {
		return nil, readFault(in.File, err)
	}
	section, err = format.Embed(ctx, in, p, value)
	return section, readFault(in.File, err)
}
