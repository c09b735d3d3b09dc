package signing

import (
	"io"
	"sync/atomic"
)

// watchedFile remembers that our own disk failed, so that a document is not called damaged for it.
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

// readFault is err, unless the file could not be read: then that is the fault, whatever a format
// made of it.
func readFault(f File, err error) error {
	if w, ok := f.(*watchedFile); ok && err != nil {
		if fault := w.fault.Load(); fault != nil {
			return (&Error{Kind: KindStorage, Err: *fault}).Retryable(0)
		}
	}
	return err
}
