package xades

import "hash"

const (
	// hashBlockBytes is how much is hashed at once by another goroutine. Hashing a block takes much
	// longer than waking the goroutine.
	hashBlockBytes = 256 << 10

	// hashAloneBytes is how much of a document is hashed by the goroutine that reads it. A proxy that
	// signs many small documents has work for all cores.
	hashAloneBytes = 1 << 20
)

// blockHash hashes what is written to it. It hashes long input in another goroutine, block by
// block, while the caller goes on reading the document. At most one block is being hashed and one
// is being filled. A blockHash must not be used by several goroutines at once.
type blockHash struct {
	hash.Hash     // use only after wait
	alone     int // bytes that are still to be hashed at once
	filling   []byte
	hashing   []byte        // belongs to the other goroutine until done
	done      chan struct{} // closed when hashing is hashed; nil if nothing is being hashed
}

func newBlockHash(h hash.Hash) *blockHash { return &blockHash{Hash: h, alone: hashAloneBytes} }

// Write implements io.Writer.
func (b *blockHash) Write(p []byte) (int, error) {
	n := len(p)
	if b.alone > 0 {
		b.alone -= n
		return b.Hash.Write(p)
	}
	if b.filling == nil {
		b.filling, b.hashing = make([]byte, 0, hashBlockBytes), make([]byte, 0, hashBlockBytes)
	}
	for len(p) > 0 {
		part := min(len(p), cap(b.filling)-len(b.filling))
		b.filling = append(b.filling, p[:part]...)
		p = p[part:]
		if len(b.filling) == cap(b.filling) {
			b.next()
		}
	}
	return n, nil
}

// next hands the block that was filled to a new goroutine, which ends by itself.
func (b *blockHash) next() {
	b.wait()
	b.filling, b.hashing = b.hashing[:0], b.filling
	block, done := b.hashing, make(chan struct{})
	b.done = done
	go func() {
		b.Hash.Write(block)
		close(done)
	}()
}

// wait waits until the other goroutine has hashed its block.
func (b *blockHash) wait() {
	if b.done != nil {
		<-b.done
		b.done = nil
	}
}

// finish hashes what is still in the buffer, and returns the hash of everything that was written.
func (b *blockHash) finish() hash.Hash {
	b.wait()
	b.Hash.Write(b.filling)
	b.filling = b.filling[:0]
	return b.Hash
}
