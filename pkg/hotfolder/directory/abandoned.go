//go:build linux

package directory

import (
	"context"
	"errors"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/signstash-proxy/signstash-proxy/pkg/hotfolder"
)

// clientFile holds the ID of the client service that used an input folder last.
const clientFile = "client"

// maxClientBytes bounds this ID when it is read.
const maxClientBytes = 1024

// Bounds of the search for abandoned folders. A work folder has some folders for each client
// service. It may also have large folders that have nothing to do with them.
const (
	searchDepth   = 4
	searchEntries = 20_000
)

// noteClient records which client service uses an input folder.
func (p *places) noteClient() error {
	if p.cfg.Client == "" {
		return nil
	}
	own, err := p.openOwn(p.cfg.Input, 0)
	if err != nil {
		return err
	}
	defer own.close()
	if text, err := readRecord(own, clientFile, maxClientBytes); err == nil && string(text) == p.cfg.Client {
		return nil
	}
	return p.writeRecord(own, clientFile, []byte(p.cfg.Client))
}

// search looks for abandoned folders.
type search struct {
	*places
	skip  []inode // the folders that are configured
	left  int     // entries that may still be read
	found []hotfolder.Abandoned
}

// FindAbandoned looks below a work folder for input folders that are not among the configured ones
// and that hold runs. Nobody works on these. It does not look into the configured folders, and
// reads a bounded number of names.
func FindAbandoned(ctx context.Context, work string, configured []string) ([]hotfolder.Abandoned, error) {
	s := &search{places: &places{cfg: Config{Work: work}}, left: searchEntries}
	for _, folder := range configured {
		if cleanFolder(folder) == "/" {
			continue // no folder of a client service is the work folder itself
		}
		d, err := s.open(folder)
		if err != nil {
			continue // it does not exist, so it is not found either
		}
		at, err := d.inode()
		d.close()
		if err != nil {
			return nil, err
		}
		s.skip = append(s.skip, at)
	}
	top, err := s.open("/")
	if err != nil {
		return nil, err
	}
	defer top.close()
	err = s.folder(ctx, top, "/", searchDepth)
	return s.found, errors.Join(err, ctx.Err())
}

// folder looks into one folder and the folders inside it. Folders that cannot be read are passed
// over.
func (s *search) folder(ctx context.Context, d *dir, name string, depth int) error {
	at, err := d.inode()
	if err != nil || slices.Contains(s.skip, at) {
		return err
	}
	if err := s.look(d, name); err != nil {
		return err
	}
	if depth == 0 {
		return nil
	}
	var inside []string
	err = d.each(func(child string, kind fs.FileMode) bool {
		s.left--
		if kind.IsDir() && !strings.HasPrefix(child, ".") {
			inside = append(inside, child)
		}
		return s.left > 0 && ctx.Err() == nil
	})
	for _, child := range inside {
		sub, openErr := d.sub(child)
		if openErr != nil {
			continue
		}
		err = errors.Join(err, s.folder(ctx, sub, path.Join(name, child), depth-1))
		sub.close()
	}
	return err
}

// look adds a folder if it holds runs with claims.
func (s *search) look(d *dir, name string) error {
	own, err := d.sub(ownFolder)
	if err != nil {
		return nil // it is no folder of ours
	}
	defer own.close()
	runs := 0
	err = own.each(func(owner string, _ fs.FileMode) bool {
		if _, err := strconv.Atoi(owner); err == nil {
			runs += runsWithClaims(own, owner)
		}
		return true
	})
	if runs > 0 {
		client, _ := readRecord(own, clientFile, maxClientBytes)
		s.found = append(s.found, hotfolder.Abandoned{ClientService: string(client), Folder: name, Runs: runs})
	}
	return err
}

// runsWithClaims counts the runs of an owner that hold files.
func runsWithClaims(own *dir, owner string) (n int) {
	d, err := own.sub(owner)
	if err != nil {
		return 0
	}
	defer d.close()
	_ = d.each(func(id string, kind fs.FileMode) bool {
		if run, err := d.sub(id); err == nil {
			if holdsClaims(run) {
				n++
			}
			run.close()
		}
		return true
	})
	return n
}

// holdsClaims reports whether the folder of a run holds files.
func holdsClaims(run *dir) (found bool) {
	marked, _ := deliveredFolders(run)
	for _, folder := range append(marked, claimedFolder) {
		if in, err := run.sub(folder); err == nil {
			_ = in.each(func(string, fs.FileMode) bool { found = true; return false })
			in.close()
		}
	}
	return found
}
