package signing

import (
	"io"
	"sync/atomic"
)

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

// readFault returns err, or the read error of f if there was one. A format may have turned the read
// error into another one.
func readFault(f File, err error) error {
	if w, ok := f.(*watchedFile); ok && err != nil {
		if fault := w.fault.Load(); fault != nil {
			return (&Error{Kind: KindStorage, Err: *fault}).Retryable(0)
		}
	}
	return err
}
