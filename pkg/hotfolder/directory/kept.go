//go:build linux

package directory

import (
	"errors"
	"io/fs"

	"golang.org/x/sys/unix"
)

// keepFile is a file in our own folder of a run in an output folder. Nobody removes that folder
// because it is empty, so the folder is there as long as its volume is.
const keepFile = "keep"

// keptPrefix begins the files of a run which say that an output folder has the keepFile of the run.
// The digest of the output folder follows.
const keptPrefix = "kept."

// errOutputGone says that results were lost or are on another volume. Somebody who knows what the
// output folder held can say which of the two. Until then the claims stay.
var errOutputGone = errors.New("the output folder has lost the results of a run whose delivery has begun; " +
	"is its volume mounted?")

// keep makes the keepFile of a run in the output folder that is configured. The caller syncs the
// folder and then calls noteKept. If the file was there before and is gone, a claim whose delivery
// has begun cannot be shown, and keep returns errOutputGone.
func (r results) keep(run, staging *dir) error {
	digest := outputDigest(r.cfg.Output)
	if staging.exists(keepFile) {
		return nil
	}
	if run.exists(keptPrefix + digest) {
		if begun, err := hasBegun(run, digest); begun || err != nil {
			return errors.Join(errOutputGone, err)
		}
	}
	return staging.touch(keepFile)
}

// noteKept notes that keep has made its file. The mark of a first claim makes the note durable.
func (r results) noteKept(run *dir) error {
	name := keptPrefix + outputDigest(r.cfg.Output)
	if run.exists(name) {
		return nil
	}
	return run.touch(name)
}

// touch makes an empty file unless it exists. It is durable when the folder is synced.
func (d *dir) touch(name string) error {
	f, err := d.open(name, unix.O_WRONLY|unix.O_CREAT, 0o600)
	if err != nil {
		return missingIs(err, errRemoved)
	}
	return f.Close()
}

// lacksResults reports whether an output folder of a run has lost the keepFile of the run. staging
// is our own folder of the run in it; nil = it does not exist.
func lacksResults(run, staging *dir, digest string) bool {
	return digest != "" && run.exists(keptPrefix+digest) && (staging == nil || !staging.exists(keepFile))
}

// hasBegun reports whether a run has claims whose delivery to an output folder has begun.
func hasBegun(run *dir, digest string) (begun bool, err error) {
	folders, err := deliveredFolders(run)
	if err != nil {
		return false, err
	}
	for _, folder := range folders {
		m, err := parseMarker(folder)
		if err != nil {
			return false, err
		}
		if m.digest != "" && m.digest != digest {
			continue
		}
		d, err := run.sub(folder)
		if err != nil {
			return false, err
		}
		err = d.each(func(string, fs.FileMode) bool { begun = true; return false })
		d.close()
		if begun || err != nil {
			return begun, err
		}
	}
	return false, nil
}
