package bucket

import (
	"context"
	"errors"
	"fmt"
	"sync"
)

// ability is what a store has shown that it can do. A claim needs conditional writes: without them
// two instances would sign the same file.
type ability struct {
	mu    sync.Mutex
	known bool
	lacks error
}

// errUnconditional refuses a store.
var errUnconditional = errors.New("the store ignores or refuses conditional writes (If-None-Match and If-Match), " +
	"so two instances could sign the same file; use a store that supports them")

// conditional returns nil if the store supports conditional writes. It asks the store once, and
// again if the store did not answer.
func (a *ability) conditional(ctx context.Context, s *shared) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.known {
		return a.lacks
	}
	err := probe(ctx, s)
	a.known = err == nil || errors.Is(err, errUnconditional)
	a.lacks = err
	return err
}

// probe writes an object of this instance under conditions that must fail and under one that holds.
func probe(ctx context.Context, s *shared) (err error) {
	key := s.own("check", fmt.Sprint(s.ordinal), "conditional-"+nonce())
	defer func() { err = errors.Join(err, s.remove(ctx, object{key: key})) }()
	first, err := write(ctx, s.store, key, []byte("1"), when{absent: true})
	if err != nil {
		return unconditional(err)
	}
	if _, err = write(ctx, s.store, key, []byte("2"), when{version: first.version}); err != nil {
		return unconditional(err)
	}
	for _, fails := range []when{{absent: true}, {version: first.version}} {
		_, err = write(ctx, s.store, key, []byte("3"), fails)
		if err == nil {
			return fmt.Errorf("bucket %s: %w", s.name(), errUnconditional)
		}
		if !errors.Is(err, errCondition) {
			return unconditional(err)
		}
	}
	return nil
}

// unconditional judges an error of a write that should have succeeded.
func unconditional(err error) error {
	if errors.Is(err, errLacking) || errors.Is(err, errCondition) {
		return fmt.Errorf("%w: %w", errUnconditional, err)
	}
	return err
}
