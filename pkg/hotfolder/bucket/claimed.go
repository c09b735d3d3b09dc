package bucket

import (
	"context"
	"errors"
	"iter"
	"strings"

	"github.com/signstash-proxy/signstash-proxy/pkg/hotfolder"
)

// Claimed implements hotfolder.Claims. It first completes what a crash has interrupted.
func (c *claims) Claimed(ctx context.Context, run hotfolder.Run) iter.Seq2[hotfolder.Claim, error] {
	return func(yield func(hotfolder.Claim, error) bool) {
		err := c.mine(ctx, run)
		if errors.Is(err, hotfolder.ErrLost) {
			return
		}
		if err = errors.Join(err, c.resume(ctx, run)); err != nil {
			yield(hotfolder.Claim{}, err)
			return
		}
		next, stop := iter.Pull2(c.objects(ctx, c.original(run.ID, ""), false))
		defer stop()
		for more := true; more; {
			var group []object
			if group, more, err = pull(next, parallel); err != nil {
				yield(hotfolder.Claim{}, err)
				return
			}
			for _, found := range c.describe(ctx, run, group) {
				if (found.err != nil || found.Name != "") && !yield(found.Claim, found.err) {
					return
				}
			}
		}
	}
}

// pull returns the next objects of a listing, at most n.
func pull(next func() (object, error, bool), n int) (group []object, more bool, err error) {
	for len(group) < n {
		o, err, ok := next()
		if err != nil || !ok {
			return group, false, err
		}
		group = append(group, o)
	}
	return group, true, nil
}

// described is a claim or an error. A claim without a name has ended meanwhile.
type described struct {
	hotfolder.Claim
	err error
}

// describe looks up what a listing does not say.
func (c *claims) describe(ctx context.Context, run hotfolder.Run, group []object) []described {
	list := make([]described, len(group))
	each(len(group), func(i int) error {
		name := strings.TrimPrefix(group[i].key, c.original(run.ID, ""))
		o, err := c.head(ctx, group[i].key)
		if errors.Is(err, errNotFound) {
			return nil
		}
		if err == nil {
			_, err = c.head(ctx, c.delivery(run.ID, o.meta[claimID]))
		}
		delivered := err == nil
		if errors.Is(err, errNotFound) {
			err = nil
		}
		list[i] = described{
			hotfolder.Claim{Run: run, Name: name, Size: o.size, Modified: modified(o), Delivered: delivered},
			err,
		}
		return nil
	})
	return list
}

// resume completes claims and returns of a run that were interrupted.
func (c *claims) resume(ctx context.Context, run hotfolder.Run) error {
	for o, err := range c.objects(ctx, c.own("claims", ""), false) {
		if err == nil {
			err = c.resumeClaim(ctx, run, o)
		}
		if err != nil {
			return err
		}
	}
	for o, err := range c.objects(ctx, c.giveBack(run.ID, ""), false) {
		if err == nil {
			err = c.resumeReturn(ctx, run, o.key)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// resumeClaim completes a claim if its lock is of this run.
func (c *claims) resumeClaim(ctx context.Context, run hotfolder.Run, lock object) error {
	var record lockRecord
	o, err := load(ctx, c.store, lock.key, &record)
	if errors.Is(err, errNotFound) || err == nil && record.Run != run.ID {
		return nil
	}
	if err != nil {
		return err
	}
	if err = c.take(ctx, run, record, o); notClaimed(err) {
		return nil
	}
	return err
}
