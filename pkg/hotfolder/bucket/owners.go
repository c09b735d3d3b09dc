package bucket

import (
	"context"
	"errors"
	"iter"
	"strconv"
	"strings"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/hotfolder"
)

// owners says which instance works on which run. A run belongs to the instance that its record
// names. TakeOver replaces the record under the condition that nobody else has replaced it.
type owners struct{ *shared }

// Renew implements hotfolder.Owners. Others read the time at which the store wrote the object.
func (o *owners) Renew(ctx context.Context) error {
	_, err := o.put(ctx, o.owner(o.ordinal), []byte(nonce()), when{})
	return err
}

// Owners implements hotfolder.Owners.
func (o *owners) Owners(ctx context.Context) ([]hotfolder.Owner, error) {
	oldest := make(map[int]time.Time) // the oldest run of each owner
	for run, err := range o.allRuns(ctx) {
		if err != nil {
			return nil, err
		}
		if at, found := oldest[run.Owner]; !found || run.modified.Before(at) {
			oldest[run.Owner] = run.modified
		}
	}
	renewed, now, err := o.renewed(ctx)
	if err != nil {
		return nil, err
	}
	var list []hotfolder.Owner
	for ordinal, last := range oldest {
		if at, found := renewed[ordinal]; found {
			last = at
		}
		list = append(list, hotfolder.Owner{Ordinal: ordinal, Renewed: last, Silent: max(0, now.Sub(last))})
	}
	return list, nil
}

// renewed returns when each instance called Renew, and the time by the clock of the store.
func (o *owners) renewed(ctx context.Context) (at map[int]time.Time, now time.Time, err error) {
	at = make(map[int]time.Time)
	prefix := o.own("owners", "")
	for token := ""; ; {
		p, err := o.list(ctx, prefix, false, token)
		if err != nil {
			return nil, now, err
		}
		for _, found := range p.objects {
			if ordinal, err := strconv.Atoi(strings.TrimPrefix(found.key, prefix)); err == nil {
				at[ordinal] = found.modified
			}
		}
		if now = p.now; now.IsZero() {
			now = time.Now()
		}
		if p.next == "" {
			return at, now, nil
		}
		token = p.next
	}
}

// ownedRun is a run with the time of its record.
type ownedRun struct {
	hotfolder.Run
	modified time.Time
}

// allRuns lists the runs of all instances.
func (o *owners) allRuns(ctx context.Context) iter.Seq2[ownedRun, error] {
	return func(yield func(ownedRun, error) bool) {
		prefix := o.own("runs", "")
		for folder, err := range o.objects(ctx, prefix, true) {
			if err != nil {
				yield(ownedRun{}, err)
				return
			}
			id := strings.TrimSuffix(strings.TrimPrefix(folder.key, prefix), "/")
			var record runRecord
			at, err := load(ctx, o.store, o.run(id), &record)
			if errors.Is(err, errNotFound) { // released meanwhile
				continue
			}
			if !yield(ownedRun{hotfolder.Run{Owner: record.Owner, ID: id}, at.modified}, err) || err != nil {
				return
			}
		}
	}
}

// Runs implements hotfolder.Owners.
func (o *owners) Runs(ctx context.Context, owner int) iter.Seq2[hotfolder.Run, error] {
	return func(yield func(hotfolder.Run, error) bool) {
		for run, err := range o.allRuns(ctx) {
			if (err != nil || run.Owner == owner) && !yield(run.Run, err) {
				return
			}
		}
	}
}

// TakeOver implements hotfolder.Owners.
func (o *owners) TakeOver(ctx context.Context, run hotfolder.Run) (hotfolder.Run, error) {
	taken := hotfolder.Run{Owner: o.ordinal, ID: run.ID}
	if !idOf(run) {
		return hotfolder.Run{}, hotfolder.ErrGone
	}
	var record runRecord
	now, err := load(ctx, o.store, o.run(run.ID), &record)
	switch {
	case errors.Is(err, errNotFound), err == nil && record.Owner != run.Owner:
		return hotfolder.Run{}, hotfolder.ErrGone
	case err != nil:
		return hotfolder.Run{}, err
	}
	_, err = save(ctx, o.store, o.run(run.ID), runRecord{Owner: o.ordinal, Nonce: nonce()}, when{version: now.version})
	if errors.Is(err, errCondition) || errors.Is(err, errNotFound) {
		return hotfolder.Run{}, hotfolder.ErrGone
	}
	if err != nil {
		return hotfolder.Run{}, err
	}
	return taken, nil
}
