package bucket

import "context"

// bufferCount is how many parts of documents are in memory at a time, 64 MiB at most. Without a
// bound, a claim of many large files would need 8 MiB for each of them.
const bufferCount = 8

// buffers lends buffers of partBytes bytes. A goroutine holds at most one.
type buffers chan []byte

func newBuffers() buffers {
	b := make(buffers, bufferCount)
	for range bufferCount {
		b <- nil
	}
	return b
}

// take waits for a buffer. The caller gives it back.
func (b buffers) take(ctx context.Context) ([]byte, error) {
	select {
	case buffer := <-b:
		if buffer == nil {
			buffer = make([]byte, partBytes)
		}
		return buffer, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (b buffers) give(buffer []byte) { b <- buffer }
