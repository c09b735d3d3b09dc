package service

import (
	"encoding/base64"
	"sync"
)

// signer makes the signature values of all endpoints, and counts them.
type signer struct {
	gate   gate
	counts *counts
	closed <-chan struct{}
}

// values signs, counts, and encodes the values as rudely as asked for.
func (s *signer) values(x *exchange, c *credential, a algorithm, digests [][]byte) ([]string, error) {
	s.gate.pass(s.closed)
	values := make([]string, 0, len(digests)+1)
	for _, digest := range digests {
		value, err := c.sign(a, digest, x.rude == RawECDSA)
		if x.rude == WrongKey {
			value, err = c.signByStranger(a, digest)
		}
		if err != nil {
			return nil, err
		}
		values = append(values, base64.StdEncoding.EncodeToString(value))
	}
	s.counts.signatures(c.ID, len(digests))
	switch x.rude {
	case WrongOrder:
		values = append(values[1:], values[0])
	case TooFewValues:
		values = values[:len(values)-1]
	case TooManyValues:
		values = append(values, values[0])
	case BadBase64:
		values[0] = "%%%" + values[0]
	}
	return values, nil
}

// gate makes requests wait while it is closed.
type gate struct {
	mu   sync.Mutex
	shut chan struct{} // nil = open
	n    int
}

func (g *gate) close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.shut == nil {
		g.shut = make(chan struct{})
	}
}

func (g *gate) open() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.shut != nil {
		close(g.shut)
		g.shut = nil
	}
}

func (g *gate) held() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.n
}

// pass returns when the gate is open. A client that hangs up stays in the queue, because its
// request has been received.
func (g *gate) pass(closed <-chan struct{}) {
	g.mu.Lock()
	shut := g.shut
	if shut == nil {
		g.mu.Unlock()
		return
	}
	g.n++
	g.mu.Unlock()
	select {
	case <-shut:
	case <-closed:
	}
	g.mu.Lock()
	g.n--
	g.mu.Unlock()
}
