//go:build linux

package directory

import (
	"context"
	"errors"
	"io/fs"
	"strings"

	"github.com/signstash-proxy/signstash-proxy/pkg/hotfolder"
)

// notePrefix begins the files of a run that hold the notes of the engine.
const notePrefix = "note."

// Note implements hotfolder.Claims.
func (c claims) Note(_ context.Context, run hotfolder.Run, key string, text []byte) error {
	if run.Owner != c.places.cfg.Ordinal {
		return hotfolder.ErrLost
	}
	d, err := c.places.openOwn(c.places.cfg.Input, folderMode, itoa(run.Owner), run.ID)
	if err != nil {
		return err
	}
	defer d.close()
	return c.places.writeRecord(d, notePrefix+key, text)
}

// Noted implements hotfolder.Claims.
func (c claims) Noted(_ context.Context, run hotfolder.Run, key string) ([]byte, error) {
	d, err := c.places.openRun(run)
	if err != nil {
		return nil, err
	}
	defer d.close()
	text, err := readRecord(d, notePrefix+key, hotfolder.MaxNoteBytes)
	return text, ignoreMissing(err)
}

// removeRecords removes what the folder of a run holds beside its claims: notes, names of output
// folders, and files that were not complete when a process died.
func removeRecords(run *dir) error {
	var names []string
	err := run.each(func(name string, kind fs.FileMode) bool {
		if !kind.IsDir() {
			names = append(names, name)
		}
		return true
	})
	for _, name := range names {
		err = errors.Join(err, ignoreMissing(run.remove(name)))
	}
	return err
}

// removeStaging removes what is left of a run in our own folders in the output folders and in the
// backup folder. No claim is left, so it is not needed. A former output folder that is gone does
// not matter.
func (c claims) removeStaging(d *dir, run hotfolder.Run) error {
	former, err := recordedOutputs(d)
	if err != nil {
		return err
	}
	for _, folder := range former {
		if strings.HasPrefix(folder, "/") && folder != cleanFolder(c.places.cfg.Output) {
			_ = c.places.removeOwn(folder, run.ID)
		}
	}
	for _, place := range []string{c.places.cfg.Output, c.places.cfg.Backup} {
		if err := c.places.removeOwn(place, run.ID); err != nil {
			return err
		}
	}
	return nil
}
