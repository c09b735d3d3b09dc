package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/client"
)

const signHelp = `signctl sign FILES... [--out DIR] [flags]

Signs files and writes each signed file to DIR, under the name of the original. A few small files are sent in
one synchronous request. Many or large files are sent in asynchronous requests of --chunk documents each.

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
	signature                   client.SignatureInfo
	visibleFile                 string
}

// runSign carries out the command sign. It reports files that cannot be read and signs the others.
func runSign(ctx context.Context, args []string, s streams) error {
	o, paths, err := parseSign(args, s)
	if err != nil {
		return err
	}
	files, failed := inspect(paths)
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
	sender := &sender{client: cl, out: o.out, options: o, progress: progress}
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
	fs.StringVar(&o.signature.Type, "type", "PAdES", "PAdES, XAdES or CAdES")
	fs.StringVar(&o.signature.Level, "level", "", "B-B, B-T, B-LT or B-LTA (default: B-B, or B-T with --timestamp)")
	fs.StringVar(&o.signature.Reason, "reason", "", "reason that the signature states")
	fs.StringVar(&o.signature.Location, "location", "", "place that the signature states")
	fs.BoolVar(&o.signature.ApplyTimestamp, "timestamp", false, "add a timestamp")
	fs.StringVar(&o.visibleFile, "visible", "", "JSON `file` with a visibleSignatureInfo object, as the API documents it")
	paths, err := parse(fs, args)
	if err != nil {
		return nil, nil, err
	}
	if o.reference == "" {
		o.reference = "signctl-" + time.Now().UTC().Format("20060102T150405.000000000Z")
	}
	return o, paths, o.check(paths)
}

// maxVisibleFile bounds the size in bytes of the file of --visible, which may contain an image.
const maxVisibleFile = 8 << 20

// check returns an error if an option is invalid. It also reads the file of --visible.
func (o *signOptions) check(paths []string) error {
	switch {
	case len(paths) == 0:
		return usageError{errors.New("no files")}
	case o.mode != "auto" && o.mode != "sync" && o.mode != "async":
		return usageError{fmt.Errorf("--mode must be auto, sync or async, not %q", o.mode)}
	case o.chunk < 1:
		return usageError{errors.New("--chunk must be at least 1")}
	case o.visibleFile == "":
		return nil
	}
	info, err := os.Stat(o.visibleFile)
	if err != nil {
		return usageError{fmt.Errorf("--visible: %w", err)}
	}
	if info.Size() > maxVisibleFile {
		return usageError{fmt.Errorf("--visible: %s is larger than %d MiB", o.visibleFile, maxVisibleFile>>20)}
	}
	text, err := os.ReadFile(o.visibleFile)
	if err != nil {
		return usageError{fmt.Errorf("--visible: %w", err)}
	}
	var object map[string]json.RawMessage
	if err := json.Unmarshal(text, &object); err != nil {
		return usageError{fmt.Errorf("--visible: %s is not a JSON object: %w", o.visibleFile, err)}
	}
	o.signature.Visible = text
	return nil
}
