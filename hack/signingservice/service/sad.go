package service

import (
	"bytes"
	"sync"
	"time"
)

// sad is signature activation data (SAD) of the CSC API. It is valid once, for one credential and,
// if it is bound, only for certain hashes.
type sad struct {
	credential *credential
	left       int
	hashes     [][]byte // nil = any (SCAL 1)
	expires    time.Time
}

// sads stores signature activation data under the values that clients get. It is safe for
// concurrent use.
type sads struct {
	lifetime time.Duration

	mu     sync.Mutex
	stored map[string]*sad
}

func newSADs(lifetime time.Duration) *sads {
	return &sads{lifetime: lifetime, stored: make(map[string]*sad)}
}

// make creates signature activation data for n signatures. It does not store it.
func (s *sads) make(c *credential, n int, hashes []string) *sad {
	made := &sad{credential: c, left: n, expires: time.Now().Add(s.lifetime)}
	for _, h := range hashes {
		digest, _ := unbase64(h)
		made.hashes = append(made.hashes, digest)
	}
	return made
}

// store keeps signature activation data under a value.
func (s *sads) store(value string, made *sad) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stored[value] = made
}

// keep stores signature activation data under a new random value, which it returns.
func (s *sads) keep(made *sad) string {
	value := random(24)
	s.store(value, made)
	return value
}

// use uses up signature activation data for digests, or returns the CSC's error.
func (s *sads) use(x *exchange, value string, c *credential, digests [][]byte) *answer {
	no := func(text string) *answer { a := refuse("invalid_request", text); return &a }
	if value == "" {
		return no("Missing (or invalid type) string parameter SAD")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	known := s.stored[value]
	switch {
	case known == nil || known.credential != c:
		return no("Invalid parameter SAD")
	case x.rude == ExpiredSAD || time.Now().After(known.expires):
		delete(s.stored, value)
		return no("SAD expired")
	case len(digests) > known.left:
		return no("Numbers of signatures is too high")
	}
	if known.hashes != nil && !within(digests, known.hashes) {
		return no("Hash is not authorized by the SAD")
	}
	delete(s.stored, value) // single use
	return nil
}

func within(digests, allowed [][]byte) bool {
	left := make([][]byte, len(allowed))
	copy(left, allowed)
next:
	for _, d := range digests {
		for i, a := range left {
			if a != nil && bytes.Equal(a, d) {
				left[i] = nil
				continue next
			}
		}
		return false
	}
	return true
}
