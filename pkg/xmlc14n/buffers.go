package xmlc14n

import "sync"

// buffers keeps buffers of one size for the next document. A proxy that signs many small documents
// would otherwise spend more on new buffers than on their content.
type buffers struct {
	size int
	free sync.Pool // of *[]byte
}

var (
	windowBuffers = buffers{size: windowBytes}
	outputBuffers = buffers{size: outputBytes}
)

// get returns a buffer with any content.
func (b *buffers) get() []byte {
	if p, ok := b.free.Get().(*[]byte); ok {
		return *p
	}
	return make([]byte, b.size)
}

// put takes a buffer back that nobody refers to any more. It ignores those of other sizes.
func (b *buffers) put(buf []byte) {
	if cap(buf) == b.size {
		buf = buf[:b.size]
		b.free.Put(&buf)
	}
}
