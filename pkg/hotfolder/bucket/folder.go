package bucket

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/go-logr/logr"

	"github.com/signstash-proxy/signstash-proxy/pkg/hotfolder"
)

// Folder is the folders of one client service in a bucket. It implements hotfolder.Storage.
type Folder struct {
	input
	claims
	owners
	results
	check
}

var _ hotfolder.Storage = (*Folder)(nil)

// shared is what the parts of a Folder have in common.
type shared struct {
	store
	paths
	ordinal int
	log     logr.Logger
	able    *ability
	now     func() time.Time
}

// newFolder puts a Folder together.
func newFolder(s store, p paths, ordinal int, log logr.Logger) *Folder {
	common := &shared{store: s, paths: p, ordinal: ordinal, log: log, able: &ability{}, now: time.Now}
	return &Folder{
		input:   input{common},
		claims:  claims{common},
		owners:  owners{common},
		results: results{common},
		check:   check{common},
	}
}

// Close does nothing, because a Folder runs nothing in the background.
func (f *Folder) Close() error { return nil }

// parallel is how many objects a method works on at a time. A request takes some 20 ms, so this is
// several hundred requests per second.
const parallel = 16

// each calls do for the indices 0 to n-1, some at a time, and returns the errors, or nil if there
// is none.
func each(n int, do func(i int) error) []error {
	errs := make([]error, n)
	var all sync.WaitGroup
	turns := make(chan struct{}, parallel)
	for i := range n {
		turns <- struct{}{}
		all.Go(func() {
			defer func() { <-turns }()
			errs[i] = do(i)
		})
	}
	all.Wait()
	if errors.Join(errs...) == nil {
		return nil
	}
	return errs
}

// alike returns the same error for n elements.
func alike(n int, err error) []error {
	errs := make([]error, n)
	for i := range errs {
		errs[i] = err
	}
	return errs
}

// mine returns nil if this instance owns a run, and ErrLost if it does not.
func (s *shared) mine(ctx context.Context, run hotfolder.Run) error {
	if !idOf(run) {
		return fmt.Errorf("run %q: %w", run.ID, hotfolder.ErrLost)
	}
	var record runRecord
	_, err := load(ctx, s.store, s.run(run.ID), &record)
	switch {
	case errors.Is(err, errNotFound), err == nil && record.Owner != s.ordinal, err == nil && run.Owner != s.ordinal:
		return hotfolder.ErrLost
	}
	return err
}

// held returns the object of a claim. ErrLost if it has ended.
func (s *shared) held(ctx context.Context, c hotfolder.Claim) (object, error) {
	o, err := s.head(ctx, s.original(c.ID, c.Name))
	if errors.Is(err, errNotFound) {
		return object{}, hotfolder.ErrLost
	}
	return o, err
}

// mineAndHeld does both, for methods with one claim.
func (s *shared) mineAndHeld(ctx context.Context, c hotfolder.Claim) (object, error) {
	if err := s.mine(ctx, c.Run); err != nil {
		return object{}, err
	}
	return s.held(ctx, c)
}

// deleteAll removes all objects below a prefix.
func (s *shared) deleteAll(ctx context.Context, prefix string) error {
	for o, err := range s.objects(ctx, prefix, false) {
		if err == nil {
			err = s.remove(ctx, object{key: o.key})
		}
		if err != nil {
			return err
		}
	}
	return nil
}
