package limits

import "time"

// pace bounds how long a client may take, given how many bytes it has moved so far.
type Pace struct {
	Idle   time.Duration // silence allowed at a time, and at the beginning
	Rate   func() int64  // bytes a second that it must average; nil = minBytesPerSecond
	Waited time.Duration // for the client: time that this side takes does not count against it
}

// left is how long the client may take for the next bytes after n. Not positive if it was too slow.
func (p *Pace) Left(n int64) time.Duration {
	earned := time.Duration(float64(n) / float64(p.Least()) * float64(time.Second))
	return min(p.Idle, p.Idle+earned-p.Waited)
}

// least is the rate in force.
func (p *Pace) Least() int64 {
	if p.Rate == nil {
		return minBytesPerSecond
	}
	return p.Rate()
}
