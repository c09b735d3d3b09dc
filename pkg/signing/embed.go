package signing

import (
	"context"
	"sync"
)

// embed makes, checks and stores the appended sections.
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
	// storeTogether is how many bytes of finished sections a chunk collects before they are stored:
	// they share an fsync. A chunk of B-B has fewer.
	storeTogether = 2 << 20
	// maxUnstored is how many of all operations may wait for that; beyond it each is stored as it
	// comes. Sections above B-T hold revocation lists of up to some megabytes.
	maxUnstored = 16 << 20
)

// gathering is sections that are finished and not stored.
type gathering struct {
	t *try

	mu      sync.Mutex
	results []DocumentResult
	bytes   int64
}

// add takes a section in, and stores all that there are when they are many.
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

// store stores what there is.
func (g *gathering) store(ctx context.Context) {
	g.mu.Lock()
	results, bytes := g.results, g.bytes
	g.results, g.bytes = nil, 0
	g.mu.Unlock()
	g.t.finish(ctx, results)
	g.t.s.unstored.Add(-bytes)
}

// byLevel tells documents that need a timestamp authority from those that need a core.
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
	// The digest that was signed was made as the bytes came. What a disk has made of them since must
	// not be called signed.
	if err := unaltered(in.File, d.Content); err != nil {
		return nil, readFault(in.File, err)
	}
	section, err = format.Embed(ctx, in, p, value)
	return section, readFault(in.File, err)
}
