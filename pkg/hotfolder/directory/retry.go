//go:build linux

package directory

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/signstash-proxy/signstash-proxy/pkg/hotfolder"
)

// Retry moves the documents of a run that failed from the backup folder to the input folder, each
// with its sidecar, and removes the texts with the reasons. Documents that were signed stay. It
// never replaces a file. After a crash it may be called again. The instances may run meanwhile.
func Retry(ctx context.Context, cfg Config, run string) ([]Retried, error) {
	if cfg.Flat {
		return nil, errors.New("with the layout flat the backup folder has no sub-folders for runs")
	}
	if run == "" || run == "." || run == ".." || run == ownFolder || strings.ContainsRune(run, '/') {
		return nil, fmt.Errorf("%q is not the name of a run", run)
	}
	p, err := placesOf(cfg)
	if err != nil {
		return nil, err
	}
	if err := p.checkUser(); err != nil {
		return nil, err
	}
	top, err := p.open(cfg.Backup)
	if err != nil {
		return nil, err
	}
	defer top.close()
	from, err := top.sub(run)
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("backup folder %s: it has no run %q", cfg.Backup, run)
	}
	if err != nil {
		return nil, err
	}
	defer from.close()
	to, err := p.openInput()
	if err != nil {
		return nil, err
	}
	defer to.close()
	return retryAll(ctx, p, from, to)
}

// retryAll moves the documents that failed. It collects their names first, because a folder that
// changes cannot be listed.
func retryAll(ctx context.Context, p *places, from, to *dir) (list []Retried, err error) {
	var texts []string
	err = eachFailed(from, func(name, text, _ string) error {
		list, texts = append(list, Retried{Name: name}), append(texts, text)
		return ctx.Err()
	})
	if err != nil {
		return nil, err
	}
	for i := range list {
		if ctx.Err() != nil {
			return list[:i], ctx.Err()
		}
		list[i].Err = p.retry(from, to, list[i].Name)
	}
	// The texts go when the documents are durable in the input folder.
	if err := errors.Join(to.sync(), from.sync()); err != nil {
		return list, err
	}
	for i, r := range list {
		if r.Err == nil {
			if err := ignoreMissing(from.remove(texts[i])); err != nil {
				return list, err
			}
		}
	}
	return list, from.sync()
}

// retry moves one document. Its sidecar goes first, so that no instance claims the document without
// it.
func (p *places) retry(from, to *dir, name string) error {
	if to.exists(name) {
		return fmt.Errorf("%w in the input folder", hotfolder.ErrExists)
	}
	sidecar := name + ".sign.json"
	if len(sidecar) <= maxNameBytes && from.exists(sidecar) {
		if err := p.giveBack(from, to, sidecar); err != nil {
			return err
		}
	}
	return p.giveBack(from, to, name)
}

// giveBack moves a file to the input folder, or copies it there if that is another file system.
func (p *places) giveBack(from, to *dir, name string) error {
	st, err := from.stat(name)
	if err != nil {
		return err
	}
	if what := irregular(st.Mode); what != "" {
		return fmt.Errorf("%q is a %s", name, what)
	}
	err = from.move(name, to, name)
	if !errors.Is(err, unix.EXDEV) {
		return existing(err)
	}
	f, err := from.open(name, unix.O_RDONLY, 0)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	own, err := p.openOwn(p.cfg.Input, folderMode)
	if err != nil {
		return err
	}
	defer own.close()
	temp, err := p.write(own, f, os.FileMode(st.Mode&0o777), 0)
	if err != nil {
		return err
	}
	if err := own.move(temp, to, name); err != nil {
		_ = own.remove(temp)
		return existing(err)
	}
	if err := to.sync(); err != nil {
		return err
	}
	return from.remove(name)
}
