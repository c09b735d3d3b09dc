//go:build linux

package directory

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/signstash-proxy/signstash-proxy/pkg/hotfolder"
)

// Deliver implements hotfolder.Results.
func (r results) Deliver(_ context.Context, run hotfolder.Run, claims []hotfolder.Claim) []error {
	at, err := r.openRun(run)
	if err != nil {
		return repeat(err, len(claims))
	}
	defer at.close()
	out := &outputs{places: r.places, run: at, id: run.ID, open: make(map[string]*output)}
	defer out.close()
	current, err := out.current()
	if err == nil {
		err = r.keep(at, current.staging)
	}
	if err == nil {
		err = current.staging.sync() // before a claim says that its files are staged
	}
	if err == nil {
		err = r.noteKept(at)
	}
	if err != nil {
		return repeat(err, len(claims))
	}
	markers, errs := r.mark(at, current.staging, claims)
	for i, c := range claims {
		if errs[i] == nil {
			errs[i] = out.show(markers[i], c)
		}
	}
	if err := out.sync(); err != nil {
		return repeat(err, len(claims))
	}
	return errs
}

// show shows what was staged for a claim by whoever began its delivery.
func (o *outputs) show(m marker, c hotfolder.Claim) error {
	at, err := o.of(m)
	if err != nil {
		return err
	}
	for _, file := range at.staged[stagedName{marker: m.owner, claim: claimDigest(c.Name)}] {
		if err := show(at.staging, file, &at.shelf); err != nil && at.folder != cleanFolder(o.cfg.Output) {
			return fmt.Errorf("%w: %w", hotfolder.ErrFormerOutput, err)
		} else if err != nil {
			return err
		}
	}
	return nil
}

// mark records durably that the delivery of claims begins, and returns who began it for each of
// them.
func (r results) mark(run, staging *dir, claims []hotfolder.Claim) (markers []marker, errs []error) {
	markers = make([]marker, len(claims))
	mine, err := r.recordOutput(run)
	if err == nil {
		err = run.make(mine.String(), folderMode)
	}
	if err != nil {
		return markers, repeat(err, len(claims))
	}
	to, err := run.sub(mine.String())
	if err != nil {
		return markers, repeat(err, len(claims))
	}
	defer to.close()
	from, err := run.sub(claimedFolder)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return markers, repeat(err, len(claims))
	}
	errs = make([]error, len(claims))
	for i, c := range claims {
		markers[i] = mine
		if from != nil && !c.Delivered {
			errs[i] = r.markOne(from, to, staging, c)
			if errs[i] == nil || !errors.Is(errs[i], os.ErrNotExist) {
				continue
			}
		}
		markers[i], errs[i] = markerOf(run, c.Name)
	}
	err = to.sync()
	if from != nil {
		err = errors.Join(err, from.sync())
		from.close()
	}
	if err != nil {
		return markers, repeat(err, len(claims))
	}
	return markers, errs
}

// markOne records that the delivery of one claim begins. The files that this instance has staged
// must be there.
func (r results) markOne(from, to, staging *dir, c hotfolder.Claim) error {
	if r.staged.missing(c, staging) && from.exists(c.Name) {
		return errNotStaged
	}
	return from.claimTo(c.Name, to)
}

// errNotStaged says that the output folder does not hold what was written to it. The caller stages
// it again.
var errNotStaged = errors.New("the output folder has lost a file that is not delivered yet; is its volume mounted?")

// markerOf returns the marker of a claim. ErrLost if its delivery has not begun.
func markerOf(run *dir, name string) (m marker, err error) {
	marked, err := deliveredFolders(run)
	if err != nil {
		return m, err
	}
	for _, folder := range marked {
		d, err := run.sub(folder)
		if err != nil {
			return m, err
		}
		found := d.exists(name)
		d.close()
		if found {
			return parseMarker(folder)
		}
	}
	return m, hotfolder.ErrLost
}
