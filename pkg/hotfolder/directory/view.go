//go:build linux

package directory

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/signstash-proxy/signstash-proxy/pkg/hotfolder"
)

// view implements View.
type view struct {
	input
	owners owners
	places *places
}

// Look returns the View of existing folders. Config.Ordinal is not used.
func Look(cfg Config) (View, error) {
	p, err := placesOf(cfg)
	if err != nil {
		return nil, err
	}
	return view{input: input{places: p}, owners: owners{p}, places: p}, nil
}

// placesOf returns the three folders, which must exist. It makes nothing.
func placesOf(cfg Config) (*places, error) {
	p := &places{cfg: cfg, staged: &stagedFiles{runs: make(map[string]map[string]string)}}
	for i, name := range []string{cfg.Input, cfg.Output, cfg.Backup} {
		d, err := p.open(name)
		if err != nil {
			return nil, err
		}
		if i == 0 {
			var st unix.Stat_t
			st, err = d.self()
			p.inputDevice = st.Dev
		}
		d.close()
		if err != nil {
			return nil, err
		}
	}
	return p, nil
}

// Open implements View.
func (v view) Open(e hotfolder.Entry) (hotfolder.File, error) {
	d, err := v.places.openInput()
	if err != nil {
		return nil, err
	}
	defer d.close()
	f, err := d.open(e.Name, unix.O_RDONLY, 0)
	if err != nil {
		return nil, missingIs(err, hotfolder.ErrGone)
	}
	return &file{File: f, claim: hotfolder.Claim{Name: e.Name, Size: e.Size, Modified: e.Modified}}, nil
}

// Owners implements View.
func (v view) Owners() ([]hotfolder.Owner, error) {
	own, err := v.places.openOwn(v.places.cfg.Input, 0)
	if err != nil {
		return nil, ignoreMissing(err)
	}
	defer own.close()
	return v.owners.holders(own, time.Now())
}

// Held implements View.
func (v view) Held(ctx context.Context, owner int) (list []HeldRun, err error) {
	for run, err := range v.owners.Runs(ctx, owner) {
		if err != nil {
			return nil, err
		}
		held, err := v.held(run)
		if err != nil {
			return nil, err
		}
		list = append(list, held)
	}
	return list, nil
}

// held counts the claims of a run. A rename, which is what a claim is, sets the change time of a
// file.
func (v view) held(run hotfolder.Run) (HeldRun, error) {
	h := HeldRun{Run: run}
	d, err := v.places.openOwn(v.places.cfg.Input, 0, itoa(run.Owner), run.ID)
	if err != nil {
		return h, ignoreMissing(err)
	}
	defer d.close()
	marked, err := deliveredFolders(d)
	if err != nil {
		return h, err
	}
	for _, folder := range append(marked, claimedFolder) {
		in, err := d.sub(folder)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return h, err
		}
		err = in.each(func(name string, _ fs.FileMode) bool {
			st, err := in.stat(name)
			if err != nil {
				return true // it has ended
			}
			h.Files++
			if folder != claimedFolder {
				h.Delivered++
			}
			if at := time.Unix(st.Ctim.Unix()); h.Since.IsZero() || at.Before(h.Since) {
				h.Since = at
			}
			return true
		})
		in.close()
		if err != nil {
			return h, err
		}
	}
	return h, nil
}

// Failures implements View.
func (v view) Failures(ctx context.Context, newest int) ([]FailedRun, error) {
	if v.places.cfg.Flat {
		return nil, nil
	}
	top, err := v.places.open(v.places.cfg.Backup)
	if err != nil {
		return nil, err
	}
	defer top.close()
	runs, err := newestFolders(ctx, top, newest)
	if err != nil {
		return nil, err
	}
	failed := runs[:0]
	for _, r := range runs {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		d, err := top.sub(r.ID)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		err = eachFailed(d, func(_, _, reason string) error {
			if r.Files++; r.Files == 1 {
				r.First = reason
			}
			return nil
		})
		d.close()
		if err != nil {
			return nil, err
		}
		if r.Files > 0 {
			failed = append(failed, r)
		}
	}
	return failed, nil
}

// newestFolders returns the sub-folders that were changed last, newest first.
func newestFolders(ctx context.Context, top *dir, limit int) (list []FailedRun, err error) {
	cut := func() {
		slices.SortFunc(list, func(a, b FailedRun) int { return b.When.Compare(a.When) })
		list = list[:min(len(list), limit)]
	}
	err = top.each(func(name string, kind fs.FileMode) bool {
		if name == ownFolder || !kind.IsDir() {
			return ctx.Err() == nil
		}
		if st, err := top.stat(name); err == nil {
			list = append(list, FailedRun{ID: name, When: modified(&st)})
		}
		if len(list) >= 2*limit {
			cut()
		}
		return ctx.Err() == nil
	})
	cut()
	return list, errors.Join(err, ctx.Err())
}

// maxReasonNumber is how many names of a text file are tried, because other files have the first
// ones.
const maxReasonNumber = 3

// eachFailed calls f for each document in a sub-folder of the backup folder that has a text with
// the reason beside it: its name, the name of the text, and the text.
func eachFailed(d *dir, f func(name, textName, reason string) error) error {
	var fault error
	err := d.each(func(name string, _ fs.FileMode) bool {
		for n := range maxReasonNumber {
			textName := numbered(hotfolder.ReasonName(name), n)
			text, err := reasonIn(d, textName)
			if textName == name || errors.Is(err, os.ErrNotExist) {
				return true
			}
			if err == nil && !hotfolder.IsReason(text) {
				continue // a document
			}
			if err == nil {
				err = f(name, textName, string(text))
			}
			fault = err
			return fault == nil
		}
		return true
	})
	return errors.Join(err, fault)
}

// reasonIn reads a file that is perhaps a text with a reason.
func reasonIn(d *dir, name string) ([]byte, error) {
	f, err := d.open(name, unix.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return nil, err
	}
	return io.ReadAll(io.LimitReader(f, hotfolder.MaxReasonBytes+1))
}

// errOtherUser ends an error of checkUser about a user.
var errOtherUser = errors.New("Run it as the user of the proxy")

// checkUser returns an error with errOtherUser if another user than ours owns what the instances
// keep in a folder. They could not use what we write there. Another error says that a folder could
// not be opened.
func (p *places) checkUser() (unopened error) {
	for _, folder := range []string{p.cfg.Input, p.cfg.Output, p.cfg.Backup} {
		d, err := p.open(folder)
		if err != nil {
			unopened = errors.Join(unopened, err)
			continue
		}
		st, err := d.stat(ownFolder)
		d.close()
		if err == nil && int(st.Uid) != os.Geteuid() {
			return fmt.Errorf("folder %s: %s belongs to user %d, and this command runs as user %d. %w",
				folder, ownFolder, st.Uid, os.Geteuid(), errOtherUser)
		}
	}
	return unopened
}

// Check returns the findings of Storage.Check. It removes each folder ".signstash" that it makes.
func Check(ctx context.Context, cfg Config) ([]hotfolder.Finding, error) {
	p := &places{cfg: cfg, staged: &stagedFiles{runs: make(map[string]map[string]string)}}
	folders := []string{cfg.Input, cfg.Output, cfg.Backup}
	var made []string
	for i, folder := range folders {
		d, err := p.open(folder)
		if err != nil {
			continue // Check says so
		}
		if st, err := d.self(); err == nil && i == 0 {
			p.inputDevice = st.Dev
		}
		if !d.exists(ownFolder) {
			made = append(made, folder)
		}
		d.close()
	}
	if len(made) < len(folders) {
		if err := p.checkUser(); errors.Is(err, errOtherUser) {
			return nil, err
		}
	}
	findings := checks{p}.Check(ctx)
	if err := p.mixedUp(); err != nil && !slices.ContainsFunc(findings, isMissing) {
		findings = append(findings, hotfolder.Finding{Folder: "input", What: "three folders", Detail: err.Error()})
	}
	for _, folder := range made {
		if d, err := p.open(folder); err == nil {
			_ = d.removeFolder(ownFolder) // fails if an instance has begun to use it
			d.close()
		}
	}
	return findings, nil
}

// mixedUp returns an error if the folders are not distinct, or those of another client service in
// Config.Neighbours, to which it adds them.
func (p *places) mixedUp() error {
	folders, err := p.distinct()
	if err != nil || p.cfg.Neighbours == nil {
		return err
	}
	return p.cfg.Neighbours.add(folders)
}

// isMissing reports whether a folder could not be opened.
func isMissing(f hotfolder.Finding) bool { return f.What == "folder" && !f.OK }

// OpenAs opens the folders in the place of an instance, for an operator. The instance should have
// stopped. If it runs, it loses what this Storage changes (hotfolder.ErrLost). OpenAs returns an
// error if this process is not the user that the instances run as.
func OpenAs(cfg Config) (hotfolder.Storage, error) {
	p, err := placesOf(cfg)
	if err != nil {
		return nil, err
	}
	if err := p.checkUser(); err != nil {
		return nil, err
	}
	s, _, err := openFolders(cfg)
	if err != nil {
		return nil, err
	}
	return s, nil
}
