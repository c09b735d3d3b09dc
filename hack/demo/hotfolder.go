package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/signstash-proxy/signstash-proxy/hack/verify"
)

// hotFlags switch the hot folder on. Files are signed as soon as they are complete.
var hotFlags = []string{"--hot.folder.enabled", "--hot.folder.trigger=immediate"}

// brokenName is a file that begins like a PDF, but is not a PDF.
const brokenName = "no-document.pdf"

// writeHotClient writes the client file, with a hot folder, and makes its folders.
func (r *run) writeHotClient(work string) error {
	for _, name := range []string{"input", "output", "backup", "new"} {
		if err := os.MkdirAll(filepath.Join(work, name), 0o700); err != nil {
			return fmt.Errorf("make hot folder: %w", err)
		}
	}
	text, err := json.MarshalIndent(map[string]any{clientID: map[string]any{
		"secret": r.secret, "inputFolder": "/input", "outputFolder": "/output", "backupFolder": "/backup",
		"signatureInfo": map[string]string{"level": r.remote.level()},
	}}, "", "  ")
	if err != nil {
		return fmt.Errorf("encode client services: %w", err)
	}
	if err := os.WriteFile(filepath.Join(work, "client-services-config.json"), text, 0o600); err != nil {
		return fmt.Errorf("write client services: %w", err)
	}
	return nil
}

// signInHotFolder drops the samples and a broken file into the input folder, waits until they are
// done, and copies output and backup folder to the folder hot in r.out.
func (r *run) signInHotFolder(ctx context.Context) error {
	samples := r.batches[0].files
	step(fmt.Sprintf("dropping the %d samples and a broken file into a hot folder", len(samples)))
	for _, path := range samples {
		content, err := os.ReadFile(path)
		if err != nil {
			return fmt.Errorf("read sample: %w", err)
		}
		if err := r.drop(filepath.Base(path), content); err != nil {
			return err
		}
	}
	if err := r.drop(brokenName, []byte("%PDF-1.7\nThis is no document.\n%%EOF\n")); err != nil {
		return err
	}
	if err := r.awaitBackup(ctx, len(samples)+1); err != nil {
		return err
	}
	hot := filepath.Join(r.out, "hot")
	if err := os.RemoveAll(hot); err != nil {
		return fmt.Errorf("remove results of an earlier demo: %w", err)
	}
	for _, name := range []string{"output", "backup"} {
		to := filepath.Join(hot, name)
		if err := os.CopyFS(to, os.DirFS(filepath.Join(r.work, name))); err != nil {
			return fmt.Errorf("copy %s folder: %w", name, err)
		}
		if err := os.RemoveAll(filepath.Join(to, ".signstash")); err != nil { // belongs to the proxy
			return fmt.Errorf("copy %s folder: %w", name, err)
		}
	}
	return r.checkHotFolder(ctx, hot)
}

// drop puts a file into the input folder by a rename, so that it is complete at once.
func (r *run) drop(name string, content []byte) error {
	written := filepath.Join(r.work, "new", name)
	if err := os.WriteFile(written, content, 0o600); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	if err := os.Rename(written, filepath.Join(r.work, "input", name)); err != nil {
		return fmt.Errorf("drop %s: %w", name, err)
	}
	return nil
}

// hotTimeout bounds the work on the files. A busy machine needs seconds, and a remote service with
// timestamps some more.
const hotTimeout = 2 * time.Minute

// awaitBackup waits until the backup folder has n originals.
func (r *run) awaitBackup(ctx context.Context, n int) error {
	ctx, cancel := context.WithTimeout(ctx, hotTimeout)
	defer cancel()
	for {
		files, err := filesIn(filepath.Join(r.work, "backup"))
		if err != nil {
			return err
		}
		originals := 0
		for _, path := range files {
			if !strings.HasSuffix(path, ".txt") {
				originals++
			}
		}
		if originals == n {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the hot folder has ended %d of %d files: %w", originals, n, ctx.Err())
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// filesIn returns the files below a folder, without those of the proxy. Files that disappear
// meanwhile are no problem.
func filesIn(folder string) (files []string, err error) {
	err = filepath.WalkDir(folder, func(path string, e fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil
		case err != nil:
			return err
		case e.Name() == ".signstash":
			return fs.SkipDir
		case !e.IsDir():
			files = append(files, path)
		}
		return nil
	})
	return files, err
}

// checkHotFolder judges the signed documents, and prints the reason why the broken file failed.
func (r *run) checkHotFolder(ctx context.Context, hot string) error {
	v, err := verify.New(ctx, r.proxy.CAFile)
	if err != nil {
		return err
	}
	defer v.Close()
	originals := make(map[string]string)
	for _, path := range r.batches[0].files {
		originals[filepath.Base(path)] = path
	}
	outputs, err := filesIn(filepath.Join(hot, "output"))
	if err != nil {
		return err
	}
	valid, reasons := 0, 0
	for _, path := range outputs {
		switch original := originals[filepath.Base(path)]; {
		case original != "" && r.checkFile(ctx, v, original, path):
			valid++
		case filepath.Base(path) == brokenName+".txt":
			text, err := os.ReadFile(path)
			if err != nil {
				return fmt.Errorf("read reason: %w", err)
			}
			fmt.Printf("  failed %s: %s", path, text)
			reasons++
		}
	}
	if valid != len(originals) || reasons != 1 || len(outputs) != valid+1 {
		return fmt.Errorf("the hot folder gave %q, want %d signed documents and one reason", outputs, len(originals))
	}
	fmt.Println("  the originals are in", filepath.Join(hot, "backup"))
	return nil
}
