package signing

import (
	"crypto/sha256"
	"hash"
	"io"
	"sync"
)

// readBuffers holds the buffers for hashing documents.
var readBuffers = sync.Pool{New: func() any { b := make([]byte, 128<<10); return &b }}

// checkUnaltered reads the whole file and returns KindAltered if its content is not what was
// accepted.
func checkUnaltered(f File, c Content) error {
	h := sha256.New()
	buffer := readBuffers.Get().(*[]byte)
	defer readBuffers.Put(buffer)
	// Pass only the Writer. Otherwise io would copy with a buffer of its own.
	if _, err := io.CopyBuffer(struct{ io.Writer }{h}, io.NewSectionReader(f, 0, c.Size), *buffer); err != nil {
		return storageError(err)
	}
	return checkDigest(h, c)
}

// checkDigest returns KindAltered if the digest of h is not that of c.
func checkDigest(h hash.Hash, c Content) error {
	if [32]byte(h.Sum(nil)) != c.SHA256 {
		return Errorf(KindAltered, "the document was altered on the disk of the service")
	}
	return nil
}
