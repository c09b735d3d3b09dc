package bucket

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/hotfolder"
)

// claims takes files out of the input folder.
//
// A claim is made in these steps. A crash between two of them is completed by Claimed or by the
// next Claim.
//
//  1. A conditional write of the lock, whose key is the hash of the file's key and version. One
//     instance succeeds.
//  2. The store copies the version to the folder of the run.
//  3. The version is deleted from the input folder.
//  4. The lock is deleted.
//
// So a file that its producer writes again does not replace a claimed one.
type claims struct{ *shared }

// Claim implements hotfolder.Claims.
func (c *claims) Claim(ctx context.Context, run hotfolder.Run, files []hotfolder.Entry) []error {
	if len(files) == 0 {
		return nil
	}
	if err := c.able.conditional(ctx, c.shared); err != nil {
		return alike(len(files), err)
	}
	if err := c.enter(ctx, run); err != nil {
		return alike(len(files), err)
	}
	return each(len(files), func(i int) error { return c.claim(ctx, run, files[i]) })
}

// enter makes sure that the run exists and is ours.
func (c *claims) enter(ctx context.Context, run hotfolder.Run) error {
	if !idOf(run) || run.Owner != c.ordinal {
		return fmt.Errorf("run %q of instance %d is not a run of instance %d", run.ID, run.Owner, c.ordinal)
	}
	_, err := save(ctx, c.store, c.run(run.ID), runRecord{Owner: run.Owner, Nonce: nonce()}, when{absent: true})
	if errors.Is(err, errCondition) {
		return c.mine(ctx, run)
	}
	return err
}

// claim claims one file.
func (c *claims) claim(ctx context.Context, run hotfolder.Run, e hotfolder.Entry) error {
	if !c.fits(e.Name) {
		return fmt.Errorf(
			"the name has %d bytes, and its keys with the prefixes would have more than %d",
			len(e.Name),
			maxKey,
		)
	}
	record := lockRecord{Run: run.ID, Name: []byte(e.Name), Version: e.Version, Nonce: nonce()}
	key := c.lock(c.input(e.Name), e.Version)
	lock, err := save(ctx, c.store, key, record, when{absent: true})
	if errors.Is(err, errCondition) {
		lock, record, err = c.locked(ctx, run, key)
	}
	if err != nil {
		return err
	}
	return c.take(ctx, run, record, lock)
}

// locked returns a lock that exists if it is of this run. It removes the lock of a run that does
// not exist any more.
func (c *claims) locked(ctx context.Context, run hotfolder.Run, key string) (object, lockRecord, error) {
	var record lockRecord
	lock, err := load(ctx, c.store, key, &record)
	if errors.Is(err, errNotFound) {
		return object{}, record, hotfolder.ErrGone // the winner has just finished
	}
	if err != nil || record.Run == run.ID {
		return lock, record, err
	}
	if _, err := c.head(ctx, c.run(record.Run)); errors.Is(err, errNotFound) {
		_ = c.remove(ctx, lock) // the next scan claims the file
	}
	return object{}, record, hotfolder.ErrGone
}

// take moves a locked version from the input folder to the run, and removes the lock.
func (c *claims) take(ctx context.Context, run hotfolder.Run, record lockRecord, lock object) error {
	err := c.moveIn(ctx, run, record)
	if err != nil && !notClaimed(err) {
		return err // the lock stays, and the next call goes on
	}
	return errors.Join(err, c.remove(ctx, lock))
}

// notClaimed reports whether an error says that a claim was not made.
func notClaimed(err error) bool {
	return errors.Is(err, hotfolder.ErrGone) || errors.Is(err, hotfolder.ErrChanged) || errors.Is(err, hotfolder.ErrInUse)
}

// moveIn copies a version to the run and deletes it from the input folder.
func (c *claims) moveIn(ctx context.Context, run hotfolder.Run, record lockRecord) error {
	to := c.original(run.ID, string(record.Name))
	earlier, err := c.head(ctx, to)
	switch {
	case err != nil && !errors.Is(err, errNotFound):
		return err
	case err == nil && earlier.meta[claimID] != record.Nonce:
		return hotfolder.ErrInUse // the run has another file with this name, which must end first
	}
	copied := err == nil
	from, err := c.head(ctx, c.input(string(record.Name)))
	changed := err == nil && from.version != record.Version
	switch {
	case copied && (changed || errors.Is(err, errNotFound)):
		return nil // an earlier call came this far
	case errors.Is(err, errNotFound):
		return hotfolder.ErrGone
	case changed:
		return hotfolder.ErrChanged
	case err != nil:
		return err
	}
	if !copied {
		if err := c.copyIn(ctx, to, from, record.Nonce); err != nil {
			return err
		}
	}
	if err = c.remove(ctx, from); errors.Is(err, errCondition) {
		return nil // it was written again after the copy, and is a new file
	}
	return err
}

// Keys of the metadata of a claimed file. They are lower-case letters, because stores change or
// refuse others.
const (
	claimID       = "signstashclaim"    // tells apart claims of files with one name
	claimModified = "signstashmodified" // when the claimed version was written, in Unix seconds
)

// copyIn copies a version to the run.
func (c *claims) copyIn(ctx context.Context, to string, from object, id string) error {
	meta := map[string]string{}
	maps.Copy(meta, from.meta)
	meta[claimID], meta[claimModified] = id, strconv.FormatInt(from.modified.Unix(), 10)
	err := c.copy(ctx, to, from, meta)
	switch {
	case errors.Is(err, errCondition):
		return hotfolder.ErrChanged
	case errors.Is(err, errNotFound):
		return hotfolder.ErrGone
	}
	return err
}

// modified returns when the claimed version of o was written.
func modified(o object) time.Time {
	seconds, err := strconv.ParseInt(o.meta[claimModified], 10, 64)
	if err != nil {
		return o.modified
	}
	return time.Unix(seconds, 0).UTC()
}
