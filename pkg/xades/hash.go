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

// WriteBlock implements [xmlc14n.BlockWriter]. It takes over large blocks, so that they are not
// copied.
func (b *blockHash) WriteBlock(p []byte) []byte {
	if b.alone <= 0 && len(p) >= hashBlockBytes/2 {
		if len(b.filling) > 0 {
			b.next()
		}
		p = b.start(p)
	} else {
		b.Write(p)
	}
	if b.alone <= 0 && cap(p) < hashBlockBytes {
		return make([]byte, 0, hashBlockBytes)
	}
	return p[:0]
}

// next has the block hashed that was filled.
func (b *blockHash) next() { b.filling = b.start(b.filling)[:0] }

// start hands a block to a new goroutine, which ends by itself. It returns the block before, which
// is hashed.
func (b *blockHash) start(block []byte) []byte {
	b.wait()
	before, done := b.hashing, make(chan struct{})
	b.hashing, b.done = block, done
	go func() {
		b.Hash.Write(block)
		close(done)
	}()
	return before
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
