package bucket

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/signstash-proxy/signstash-proxy/pkg/hotfolder"
)

// Backup implements hotfolder.Results. The claim ends when its original is deleted, which comes
// last of everything that counts. What is left in our own folder after that is removed here or by
// Release.
func (r *results) Backup(ctx context.Context, run hotfolder.Run, files []hotfolder.BackupFile) []error {
	if len(files) == 0 {
		return nil
	}
	if err := r.mine(ctx, run); err != nil {
		return alike(len(files), err)
	}
	return each(len(files), func(i int) error { return r.end(ctx, run, files[i]) })
}

// end ends one claim.
func (r *results) end(ctx context.Context, run hotfolder.Run, f hotfolder.BackupFile) error {
	o, err := r.held(ctx, hotfolder.Claim{Run: run, Name: f.Name})
	if err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(f.Beside)) {
		if err := r.putBeside(ctx, run, name, f.Beside[name]); err != nil {
			return hotfolder.OfFile(name, fmt.Errorf("write a text beside the backup: %w", err))
		}
	}
	if !f.Discard {
		if err := r.keep(ctx, run, f.Name, o); err != nil {
			return hotfolder.OfFile(f.Name, fmt.Errorf("copy to the backup folder: %w", err))
		}
	}
	if err := r.remove(ctx, o); err != nil {
		return changed(err)
	}
	err = errors.Join(r.deleteAll(ctx, r.staged(run.ID, o.meta[claimID])),
		r.remove(ctx, object{key: r.delivery(run.ID, o.meta[claimID])}))
	if err != nil {
		r.log.V(1).Info("could not remove staged files, Release removes them", "run", run.ID, "reason", err.Error())
	}
	return nil
}

// putBeside writes a small file to the backup folder. An object with the same content was written
// by an earlier call.
func (r *results) putBeside(ctx context.Context, run hotfolder.Run, name string, content []byte) error {
	for number := 0; number <= maxNumber; number++ {
		key := r.backup(run.ID) + numbered(name, number)
		_, err := r.put(ctx, key, content, when{absent: true})
		if !errors.Is(err, errCondition) {
			return err
		}
		now, err := r.head(ctx, key)
		if err != nil || now.size != int64(len(content)) || now.size > smallBytes {
			continue
		}
		if stored, _, err := r.get(ctx, key); err == nil && bytes.Equal(stored, content) {
			return nil
		}
	}
	return fmt.Errorf("the name and its numbers up to %d are taken", maxNumber)
}

// keep copies an original to the backup folder. The copy has the ID of the claim, so a later call
// recognizes it.
func (r *results) keep(ctx context.Context, run hotfolder.Run, name string, o object) error {
	meta := maps.Clone(o.meta)
	delete(meta, claimModified)
	for number := 0; number <= maxNumber; number++ {
		key := r.backup(run.ID) + numbered(name, number)
		if there, err := r.head(ctx, key); err == nil {
			if there.meta[claimID] == o.meta[claimID] {
				return nil
			}
			continue
		} else if !errors.Is(err, errNotFound) {
			return err
		}
		t, err := r.prepare(ctx, key, o, meta)
		if err != nil {
			return changed(err)
		}
		if err = r.show(ctx, key, t); err == nil {
			return nil
		}
		r.abandon(ctx, key, t)
		if !errors.Is(err, errCondition) {
			return err
		}
		number-- // look at this name again: it may be the copy of an earlier attempt
	}
	return fmt.Errorf("the name and its numbers up to %d are taken", maxNumber)
}
