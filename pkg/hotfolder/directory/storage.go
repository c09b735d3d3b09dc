//go:build linux

package directory

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path"
	"strconv"
	"strings"
	"sync"

	"github.com/signstash-proxy/signstash-proxy/pkg/hotfolder"
)

// ownFolder is the folder in input, output and backup that belongs to this package.
const ownFolder = ".signstash"

// Storage implements hotfolder.Storage. The embedded types implement its parts.
type Storage struct {
	input
	claims
	owners
	results
	checks
	watch *watch   // nil = the folder is polled
	lock  *os.File // nil = the file system has no locks
	leave func()   // removes the folders from Config.Neighbours; nil = they are not there
}

var _ hotfolder.Storage = (*Storage)(nil)

// Open returns the Storage of existing folders for a running instance. It makes no folder but its
// own. It returns an error if another process on this machine is the same instance. The caller must
// close it.
func Open(cfg Config) (hotfolder.Storage, error) {
	s, p, err := openFolders(cfg)
	if err != nil {
		return nil, err
	}
	if cfg.Neighbours != nil {
		if err := cfg.Neighbours.add(p.neighbour); err != nil {
			return nil, err
		}
		s.leave = func() { cfg.Neighbours.remove(p.neighbour) }
	}
	if s.lock, err = p.exclusive(); err == nil {
		err = p.noteClient()
	}
	if err == nil {
		err = s.startWatch(p)
	}
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	s.input = input{places: p, watch: s.watch}
	return s, nil
}

// openFolders returns a Storage that neither claims to be a running instance nor watches its input
// folder.
func openFolders(cfg Config) (*Storage, *places, error) {
	cfg.Mode = cmp.Or(cfg.Mode, 0o660)
	p := &places{cfg: cfg, staged: &stagedFiles{runs: make(map[string]map[string]string)}}
	var devices [3]uint64
	var err error
	for i, name := range []string{cfg.Input, cfg.Output, cfg.Backup} {
		d, err := p.open(name)
		if err != nil {
			return nil, nil, err
		}
		st, err := d.self()
		devices[i] = st.Dev
		if err == nil {
			err = d.make(ownFolder, 0o700)
		}
		d.close()
		if err != nil {
			return nil, nil, fmt.Errorf("folder %s: %w", name, err)
		}
	}
	p.neighbour, err = p.distinct()
	if err != nil {
		return nil, nil, err
	}
	p.inputDevice = devices[0]
	s := &Storage{claims: claims{p}, owners: owners{p}, results: results{p}, checks: checks{p}}
	s.input = input{places: p}
	return s, p, nil
}

// startWatch starts inotify unless the folder must be polled.
func (s *Storage) startWatch(p *places) error {
	kind, err := p.fileSystem(p.cfg.Input)
	if err != nil {
		return err
	}
	if p.cfg.Poll || kind.remote {
		p.cfg.Log.Info("input folder is polled, because other machines may write to it", "folder", p.cfg.Input,
			"fileSystem", kind.name)
		return nil
	}
	d, err := p.open(p.cfg.Input)
	if err != nil {
		return err
	}
	defer d.close()
	if s.watch, err = newWatch(d); err != nil {
		p.cfg.Log.Info("input folder is polled, because inotify cannot be used", "folder", p.cfg.Input,
			"reason", err.Error())
		s.watch = nil
	}
	if s.watch != nil {
		p.watch = s.watch
	}
	return nil
}

// Close implements hotfolder.Storage.
func (s *Storage) Close() error {
	var errs []error
	if s.leave != nil {
		s.leave()
	}
	if s.lock != nil {
		errs = append(errs, s.lock.Close())
		s.lock = nil
	}
	if s.watch != nil {
		errs = append(errs, s.watch.close())
	}
	return errors.Join(errs...)
}

// places opens the three folders. Nothing stays open between two calls, so a folder may be
// unmounted and mounted again at any time. It is safe for concurrent use.
type places struct {
	cfg         Config
	inputDevice uint64 // of the input folder when the Storage was opened
	watch       *watch // nil = none
	staged      *stagedFiles
	neighbour   *neighbour
	leases      sync.Once
	noLeases    bool
}

// open opens a folder below the work folder.
func (p *places) open(name string) (*dir, error) {
	work, err := os.OpenRoot(p.cfg.Work)
	if err != nil {
		return nil, fmt.Errorf("open work folder: %w", err)
	}
	defer func() { _ = work.Close() }()
	f, err := work.Open(path.Join(".", strings.TrimLeft(name, "/")))
	if err != nil {
		return nil, fmt.Errorf("open folder: %w", err)
	}
	d, err := dirOf(f)
	if err != nil {
		return nil, err
	}
	if err := d.isFolder(); err != nil {
		d.close()
		return nil, fmt.Errorf("open folder %s: %w", name, err)
	}
	return d, nil
}

// openInput opens the input folder. It returns an error if the folder is on another file system
// than at the start and has not our own folder. Then its volume is not mounted.
func (p *places) openInput() (*dir, error) {
	d, err := p.open(p.cfg.Input)
	if err != nil {
		return nil, err
	}
	if st, err := d.self(); err == nil && st.Dev != p.inputDevice {
		if _, err := d.stat(ownFolder); err != nil {
			d.close()
			return nil, fmt.Errorf("folder %s: it was on another file system at the start, and %s is missing: %w",
				p.cfg.Input, ownFolder, errUnmounted)
		}
	}
	return d, nil
}

var errUnmounted = errors.New("the volume is not mounted")

// openOwn opens a folder below the own folder of name. If perm is not 0, missing folders are made,
// also if a consumer that removes empty folders removes them at that moment.
func (p *places) openOwn(name string, perm os.FileMode, elements ...string) (own *dir, err error) {
	open := p.open
	if name == p.cfg.Input {
		open = func(string) (*dir, error) { return p.openInput() }
	}
	d, err := open(name)
	if err != nil {
		return nil, err
	}
	defer d.close()
	for range maxAttempts {
		own, err = d.descend(perm, append([]string{ownFolder}, elements...))
		if perm == 0 || !errors.Is(err, os.ErrNotExist) {
			break
		}
	}
	if err != nil {
		err = fmt.Errorf("folder %s/%s: %w", name, ownFolder, err)
	}
	return own, err
}

// descend opens a folder some levels below d. If perm is not 0, it makes missing folders.
func (d *dir) descend(perm os.FileMode, elements []string) (*dir, error) {
	if own, err := d.below(elements); err == nil {
		return own, nil
	}
	at, err := d.sub(".")
	for _, element := range elements {
		if err != nil {
			return nil, err
		}
		if perm != 0 {
			if err := at.make(element, perm); err != nil {
				at.close()
				return nil, err
			}
		}
		var next *dir
		next, err = at.sub(element)
		at.close()
		at = next
	}
	return at, err
}

// openRun opens the folder of a run of this instance. ErrLost if it is not there.
func (p *places) openRun(run hotfolder.Run) (*dir, error) {
	if run.Owner != p.cfg.Ordinal {
		return nil, hotfolder.ErrLost
	}
	return orLost(p.openOwn(p.cfg.Input, 0, strconv.Itoa(run.Owner), run.ID))
}

// orLost turns the error of a missing file into ErrLost.
func orLost[T any](value T, err error) (T, error) { return value, missingIs(err, hotfolder.ErrLost) }

// missingIs returns want with err, if err says that a file does not exist.
func missingIs(err, want error) error {
	if errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("%w: %w", want, err)
	}
	return err
}
