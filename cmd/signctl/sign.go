package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"
)

const signHelp = `signctl sign FILES... [--out DIR] [flags]

Signs files and writes each signed file to DIR. The content of a file decides how it is signed, unless --type
says it: a PDF with PAdES, an XML with XAdES, every other file with CAdES. The signed file has the name of the
original. CAdES adds .p7m, or .p7s with --packaging DETACHED. A .p7m that is co-signed keeps its name.

A few small files are sent in one synchronous request. Many or large files are sent in asynchronous requests of
--chunk documents each. A request may contain files of all types.

Every request has an external reference, which is also its Idempotency-Key. To continue after an interruption,
run the same command again with the same --reference and the same files. No file is signed twice.

If a file could not be signed, the command reports the file and the reason, signs the other files, and ends
with exit code 1.
`

// signOptions holds the options of the command sign.
type signOptions struct {
	connection
	out, reference, description string
	mode                        string
	chunk                       int
	signature                   signatureOptions
}

// runSign carries out the command sign. It reports files that cannot be read and signs the others.
func runSign(ctx context.Context, args []string, s streams) error {
	o, paths, err := parseSign(args, s)
	if err != nil {
		return err
	}
	files, failed := inspect(paths, &o.signature)
	if err := o.signature.checkUse(files); err != nil {
		return err
	}
	if err := checkOutput(o.out, files); err != nil {
		return err
	}
	progress := newProgress(s, len(files))
	cl, err := o.client(s.env, progress.notice)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(o.out, 0o777); err != nil {
		return fmt.Errorf("create output folder: %w", err)
	}
	sender := &sender{client: cl, out: o.out, options: o, progress: progress, results: map[string]string{}}
	for _, f := range files {
		sender.results[f.result] = f.path
	}
	progress.failed(failed...)
	sender.sendAll(ctx, plan(files, o))
	return progress.finish()
}

// parseSign returns the options and the paths of the files.
func parseSign(args []string, s streams) (*signOptions, []string, error) {
	o := &signOptions{}
	fs := newFlags("sign", signHelp, s)
	o.register(fs, s.env)
	fs.StringVar(&o.out, "out", "signed", "`folder` for the signed files")
	fs.StringVar(&o.reference, "reference", "",
		"external `reference` of the operation (default: derived from the current time)")
	fs.StringVar(&o.description, "description", "signed by signctl", "description of the operation")
	fs.StringVar(&o.mode, "mode", "auto", "auto, sync or async")
	fs.IntVar(&o.chunk, "chunk", 250, "largest number of `documents` in one request")
	o.signature.register(fs)
	paths, err := parse(fs, args)
	if err != nil {
		return nil, nil, err
	}
	if o.reference == "" {
		o.reference = "signctl-" + time.Now().UTC().Format("20060102T150405.000000000Z")
	}
	return o, paths, o.check(paths)
}

// check returns an error if an option is invalid.
func (o *signOptions) check(paths []string) error {
	switch {
	case len(paths) == 0:
		return usageError{errors.New("no files")}
	case o.mode != "auto" && o.mode != "sync" && o.mode != "async":
		return usageError{fmt.Errorf("--mode must be auto, sync or async, not %q", o.mode)}
	case o.chunk < 1:
		return usageError{errors.New("--chunk must be at least 1")}
	}
	return o.signature.check()
}
