package api

import (
	"errors"
	"io"
	"sync/atomic"
	"time"
)

// lent is the body of a request while it is passed on to another instance. That one may answer
// before it has read all, and the transport then goes on reading in a goroutine of its own, even
// after the answer was handed back; Close takes the body back.
type lent struct {
	x      *exchange
	turn   chan struct{} // holds a value while somebody reads
	closed atomic.Bool
}

// errTakenBack is what the transport is told, which has nobody to tell it to.
var errTakenBack = errors.New("the body is not passed on any more")

// wakeAgain is how often a read that waits for the client is told again to end: the read sets a
// deadline of its own when it begins.
const wakeAgain = 100 * time.Millisecond

func newLent(x *exchange) *lent { return &lent{x: x, turn: make(chan struct{}, 1)} }

// Read implements io.Reader.
func (l *lent) Read(p []byte) (int, error) {
	l.turn <- struct{}{}
	defer func() { <-l.turn }()
	if l.closed.Load() {
		return 0, errTakenBack
	}
	return l.x.body.Read(p)
}

// Close implements io.Closer: when it returns nobody reads the body, and what the client still
// sends was read, within the bounds of drain, so that it comes to read the answer.
func (l *lent) Close() error {
	l.closed.Store(true)
	until := time.Now().Add(drainTime)
	for waiting := true; waiting; {
		_ = l.x.control.SetReadDeadline(until) // not every ResponseWriter has one
		select {
		case l.turn <- struct{}{}:
			waiting = false
		case <-time.After(wakeAgain):
		}
	}
	defer func() { <-l.turn }()
	b := l.x.body
	b.release()
	if b.err == nil {
		l.x.drain()
	} else if b.err != io.EOF {
		l.x.Header().Set("Connection", "close")
	}
	b.err = io.EOF // there is nothing left to read for anybody
	return nil
}
