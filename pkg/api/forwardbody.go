package api

import (
	"errors"
	"io"
	"sync/atomic"
	"time"
)

// forwardBody is the body of a request while it is forwarded to another instance. That instance may
// answer before it has read everything. The HTTP transport may then go on reading in its own
// goroutine, even after it has returned the answer. Close ends that reading.
type forwardBody struct {
	body   *body
	turn   chan struct{} // holds a value while a Read is under way
	closed atomic.Bool
}

// errForwardEnded is what the transport gets after Close. Nobody else sees it.
var errForwardEnded = errors.New("the body is no longer forwarded")

// wakeInterval is how often Close sets the deadline that ends a waiting read. It does so
// repeatedly, because a read that begins sets a deadline of its own.
const wakeInterval = 100 * time.Millisecond

func newForwardBody(b *body) *forwardBody {
	return &forwardBody{body: b, turn: make(chan struct{}, 1)}
}

// Read implements io.Reader.
func (b *forwardBody) Read(p []byte) (int, error) {
	b.turn <- struct{}{}
	defer func() { <-b.turn }()
	if b.closed.Load() {
		return 0, errForwardEnded
	}
	return b.body.Read(p)
}

// Close implements io.Closer. When it returns, nobody reads the body. It also reads what the client
// still sends, within the bounds of drain, so that the client gets to reading the answer.
func (b *forwardBody) Close() error {
	b.closed.Store(true)
	until := time.Now().Add(drainTime)
	for waiting := true; waiting; {
		b.body.setDeadline(until)
		select {
		case b.turn <- struct{}{}:
			waiting = false
		case <-time.After(wakeInterval):
		}
	}
	defer func() { <-b.turn }()
	body := b.body
	body.clearDeadline()
	if body.err == nil {
		body.drain()
	} else if body.err != io.EOF {
		body.closeConnection()
	}
	body.err = io.EOF // nothing is left to read
	return nil
}
