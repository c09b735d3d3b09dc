package signing

import (
	"context"
	"io"
	"sync/atomic"
	"time"
)

// inputs opens the documents of an operation for their formats. It is safe for concurrent use.
type inputs struct {
	cfg     *Config
	created time.Time // of the operation
}

// open returns the document's format and input; the caller closes in.File.
func (ins inputs) open(ctx context.Context, d Document) (Format, Input, error) {
	format, ok := ins.cfg.Formats[d.Signature.Type]
	if !ok {
		return nil, Input{}, Errorf(KindUnsupported, "signatureType %s is not supported", d.Signature.Type)
	}
	file, err := ins.cfg.Store.OpenFile(ctx, d.Operation, d.Content)
	if err != nil {
		return nil, Input{}, storageError(err)
	}
	in := Input{
		File:        &watchedFile{File: file},
		Midstate:    d.Content.Midstate,
		Signature:   d.Signature,
		ContentType: d.ContentType,
		Time:        ins.created,
	}
	if v := d.Signature.Visible; v != nil && v.Image != nil {
		in.OpenImage = func() (File, error) { return ins.cfg.Store.OpenFile(ctx, d.Operation, *v.Image) }
	}
	return format, in, nil
}

// watchedFile remembers that our own disk failed, so that the document is not reported as damaged.
type watchedFile struct {
	File
	fault atomic.Pointer[error]
}

// ReadAt implements io.ReaderAt.
func (f *watchedFile) ReadAt(p []byte, off int64) (int, error) {
	n, err := f.File.ReadAt(p, off)
	if err != nil && err != io.EOF {
		f.fault.Store(&err)
	}
	return n, err
}

// diskFault returns err, or the read error of f if there was one. A format may have turned the read
// error into another one.
func diskFault(f File, err error) error {
	if w, ok := f.(*watchedFile); ok && err != nil {
		if fault := w.fault.Load(); fault != nil {
			return (&Error{Kind: KindStorage, Err: *fault}).Retryable(0)
		}
	}
	return err
}
