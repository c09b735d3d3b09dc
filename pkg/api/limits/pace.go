package limits

import "time"

// Pace bounds how long a client may take to send a body or to read an answer, given the bytes that
// it has moved so far. It is not safe for concurrent use.
type Pace struct {
	Idle   time.Duration // longest silence, and the time allowed before any byte
	Rate   func() int64  // bytes per second that the client must average; nil = minBytesPerSecond
	Waited time.Duration // total time spent waiting for the client; the caller adds to it
}

// Left returns how long the client may take for the next bytes, when it has moved n. The result is
// not positive if the client was too slow.
func (p *Pace) Left(n int64) time.Duration {
	earned := time.Duration(float64(n) / float64(p.Least()) * float64(time.Second))
	return min(p.Idle, p.Idle+earned-p.Waited)
}

// Least returns the current rate in bytes per second.
func (p *Pace) Least() int64 {
	if p.Rate == nil {
		return minBytesPerSecond
	}
	return p.Rate()
}
