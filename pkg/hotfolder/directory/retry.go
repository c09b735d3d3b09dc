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
// with its sidecar, and removes the texts with the reasons from the backup and the output folder.
// Documents that were signed stay. It never replaces a file. After a crash it may be called again.
// The instances may run meanwhile.
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
	out, err := p.outputOf(run)
	if err != nil {
		return nil, err
	}
	if out != nil {
		defer out.close()
	}
	return retryAll(ctx, p, retryFolders{from, to, out})
}

// retryFolders are the folders of a retry: the sub-folder of the run in the backup folder, the
// input folder, and the sub-folder of the run in the output folder; nil = a consumer has removed
// it.
type retryFolders struct{ from, to, out *dir }

// outputOf opens the sub-folder of a run in the output folder; nil = it does not exist.
func (p *places) outputOf(run string) (*dir, error) {
	top, err := p.open(p.cfg.Output)
	if err != nil {
		return nil, err
	}
	defer top.close()
	d, err := top.sub(run)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	return d, err
}

// retryAll moves the documents that failed. It collects their names first, because a folder that
// changes cannot be listed.
func retryAll(ctx context.Context, p *places, in retryFolders) (list []Retried, err error) {
	var texts, reasons []string
	from, to := in.from, in.to
	err = eachFailed(from, func(name, text, reason string) error {
		list, texts, reasons = append(list, Retried{Name: name}), append(texts, text), append(reasons, reason)
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
		if r.Err != nil {
			continue
		}
		if err := errors.Join(removeReason(in.out, r.Name, reasons[i]), ignoreMissing(from.remove(texts[i]))); err != nil {
			return list, err
		}
	}
	return list, from.sync()
}

// removeReason removes the text with the reason of a document from the output folder of its run.
// The text may have a number, because other files have its name. A file with other content stays.
func removeReason(out *dir, name, reason string) error {
	if out == nil {
		return nil
	}
	for n := range maxReasonNumber {
		textName := numbered(hotfolder.ReasonName(name), n)
		if text, err := reasonIn(out, textName); err == nil && string(text) == reason {
			return ignoreMissing(out.remove(textName))
		}
	}
	return nil
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
