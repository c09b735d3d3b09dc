//go:build linux

package directory

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/signstash-proxy/signstash-proxy/pkg/hotfolder"
)

// deliveredPrefix begins the folders of claims whose delivery has begun.
const deliveredPrefix = "delivered."

// outputPrefix begins the files of a run that hold the path of an output folder.
const outputPrefix = "output."

// maxPathBytes bounds the path of an output folder that is read. It is that of Linux.
const maxPathBytes = 4096

// marker says who began the delivery of a claim, and to which output folder. The folder
// "delivered.<owner>.<digest>" of a run holds the claims with that marker. Its file
// "output.<digest>" holds the path of the output folder.
type marker struct {
	owner  int
	digest string // of the path; empty = an earlier release has made the marker
}

// outputDigest returns the text that stands for an output folder in a marker.
func outputDigest(folder string) string {
	sum := sha256.Sum256([]byte(cleanFolder(folder)))
	return hex.EncodeToString(sum[:8])
}

func cleanFolder(folder string) string { return path.Clean("/" + folder) }

func (m marker) String() string {
	if m.digest == "" {
		return deliveredPrefix + itoa(m.owner)
	}
	return deliveredPrefix + itoa(m.owner) + "." + m.digest
}

// parseMarker is the inverse of marker.String.
func parseMarker(folder string) (m marker, err error) {
	owner, digest, _ := strings.Cut(strings.TrimPrefix(folder, deliveredPrefix), ".")
	m.digest = digest
	if m.owner, err = strconv.Atoi(owner); err != nil {
		err = fmt.Errorf("folder %s: %w", folder, err)
	}
	return m, err
}

// deliveredFolders lists the folders of a run with claims whose delivery has begun.
func deliveredFolders(run *dir) (list []string, err error) {
	err = run.each(func(name string, _ fs.FileMode) bool {
		if strings.HasPrefix(name, deliveredPrefix) {
			list = append(list, name)
		}
		return true
	})
	return list, err
}

// recordOutput records durably that claims of a run are delivered to the output folder that is
// configured. It returns the marker for them.
func (r results) recordOutput(run *dir) (marker, error) {
	m := marker{owner: r.cfg.Ordinal, digest: outputDigest(r.cfg.Output)}
	name := outputPrefix + m.digest
	if run.exists(name) {
		return m, nil
	}
	return m, r.writeRecord(run, name, []byte(cleanFolder(r.cfg.Output)))
}

// writeRecord writes a small file in one of our own folders and replaces an earlier one.
func (p *places) writeRecord(d *dir, name string, content []byte) error {
	temp, err := p.write(d, strings.NewReader(string(content)), 0o600, 0)
	if err != nil {
		return err
	}
	if err := d.replace(temp, d, name); err != nil {
		_ = d.remove(temp)
		return err
	}
	return d.sync()
}

// readRecord reads a small file in one of our own folders.
func readRecord(d *dir, name string, limit int64) ([]byte, error) {
	f, err := d.open(name, unix.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	return io.ReadAll(io.LimitReader(f, limit))
}

// recordedOutputs returns the output folders to which claims of a run were delivered.
func recordedOutputs(run *dir) (list []string, err error) {
	var fault error
	err = run.each(func(name string, _ fs.FileMode) bool {
		if !strings.HasPrefix(name, outputPrefix) {
			return true
		}
		var text []byte
		text, fault = readRecord(run, name, maxPathBytes)
		list = append(list, string(text))
		return fault == nil
	})
	return list, errors.Join(err, fault)
}

// outputs are the output folders of the claims of one run: the one that is configured, and former
// ones, if the configuration was changed after the delivery of some claims had begun. It is not
// safe for concurrent use.
type outputs struct {
	*places
	run  *dir
	id   string
	open map[string]*output // by path
}

// output is an output folder while results are shown in it.
type output struct {
	shelf
	staging *dir // nil = everything was shown, and our folder for the run is gone
	staged  map[stagedName][]stagedName
}

// current opens the output folder that is configured.
func (o *outputs) current() (*output, error) {
	staging, err := o.openOwn(o.cfg.Output, folderMode, o.id)
	if err != nil {
		return nil, err
	}
	return o.add(cleanFolder(o.cfg.Output), staging), nil
}

func (o *outputs) add(folder string, staging *dir) *output {
	at := &output{shelf: shelf{places: o.places, folder: folder, run: o.id}, staging: staging}
	o.open[folder] = at
	return at
}

// of returns the output folder of a marker with the files that are staged there.
func (o *outputs) of(m marker) (at *output, err error) {
	folder := cleanFolder(o.cfg.Output)
	if m.digest != "" && m.digest != outputDigest(folder) {
		text, err := readRecord(o.run, outputPrefix+m.digest, maxPathBytes)
		if err != nil {
			return nil, fmt.Errorf("%w: read its name: %w", hotfolder.ErrFormerOutput, err)
		}
		folder = string(text)
	}
	at = o.open[folder]
	if at == nil {
		if at, err = o.former(folder); err != nil {
			return nil, fmt.Errorf("%w: folder %s: %w", hotfolder.ErrFormerOutput, folder, err)
		}
	}
	if folder != cleanFolder(o.cfg.Output) && lacksResults(o.run, at.staging, m.digest) {
		return nil, fmt.Errorf("%w: folder %s: %w", hotfolder.ErrFormerOutput, folder, errOutputGone)
	}
	if at.staged == nil && at.staging != nil {
		// Nothing is staged in a folder that somebody could remove.
		if at.staged, err = stagedOf(at.staging); ignoreMissing(err) != nil {
			return nil, err
		}
	}
	return at, nil
}

// former opens an output folder that is not configured any more. Its own folder must be there,
// otherwise its volume is perhaps not mounted, and results could be lost.
func (o *outputs) former(folder string) (*output, error) {
	own, err := o.openOwn(folder, 0)
	if err != nil {
		return nil, err
	}
	defer own.close()
	staging, err := own.sub(o.id)
	if errors.Is(err, os.ErrNotExist) {
		return o.add(folder, nil), nil
	}
	if err != nil {
		return nil, err
	}
	return o.add(folder, staging), nil
}

// sync makes durable what was shown.
func (o *outputs) sync() error {
	var errs []error
	for _, at := range o.open {
		errs = append(errs, at.sync())
		if at.staging != nil {
			errs = append(errs, at.staging.sync())
		}
	}
	return errors.Join(errs...)
}

func (o *outputs) close() {
	for _, at := range o.open {
		at.close()
		if at.staging != nil {
			at.staging.close()
		}
	}
}
