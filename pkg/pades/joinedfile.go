package pades

import "io"

// joinedFile is the original followed by the appended sections, as one io.ReaderAt.
type joinedFile struct {
	head  io.ReaderAt
	split int64 // offset at which the sections start
	tail  []byte
}

func (j *joinedFile) size() int64 { return j.split + int64(len(j.tail)) }

// ReadAt implements io.ReaderAt.
func (j *joinedFile) ReadAt(p []byte, off int64) (int, error) {
	n := 0
	if off < j.split {
		var err error
		if n, err = j.head.ReadAt(p[:min(int64(len(p)), j.split-off)], off); n < len(p) && off+int64(n) < j.split {
			return n, err
		}
	}
	if n == len(p) {
		return n, nil
	}
	from := off + int64(n) - j.split
	if from >= int64(len(j.tail)) {
		return n, io.EOF
	}
	m := copy(p[n:], j.tail[from:])
	if n += m; n < len(p) {
		return n, io.EOF
	}
	return n, nil
}
