package api

import (
	"math/big"
	"sync"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// maxSentOperations bounds the operations of sentDocuments. An operation that is forgotten, as all
// are when the process ends, is removed later, as if nobody had fetched it.
const maxSentOperations = 1000

// sentDocuments remembers which documents of an operation were sent one by one, so that the
// operation counts as fetched when all were. It is safe for concurrent use.
type sentDocuments struct {
	mu         sync.Mutex
	operations map[signing.ID]*big.Int // one bit for each signed document that was not sent yet
}

// note records that a document was sent completely. When it was the last one, the operation counts
// as fetched. The operation must have ended.
func (s *sentDocuments) note(op signing.Operation, d *signing.Document, from results) {
	s.mu.Lock()
	left, known := s.operations[op.ID]
	s.mu.Unlock()
	if !known {
		left = new(big.Int)
		err := from.each(op, func(d *signing.Document) error {
			if d.State == signing.DocumentSigned {
				left.SetBit(left, d.Index, 1)
			}
			return nil
		})
		if err != nil {
			return // the operation was removed, or the next document tries again
		}
	}
	if s.without(op.ID, left, d.Index) {
		from.fetched(op.ID)
	}
}

// without removes a document from those that were not sent, and reports whether it was the last.
func (s *sentDocuments) without(id signing.ID, left *big.Int, index int) (last bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if known, ok := s.operations[id]; ok { // another request may have listed them meanwhile
		left = known
	}
	if left.SetBit(left, index, 0); left.Sign() == 0 {
		delete(s.operations, id)
		return true
	}
	if s.operations == nil {
		s.operations = make(map[signing.ID]*big.Int)
	}
	for other := range s.operations {
		if len(s.operations) < maxSentOperations {
			break
		}
		delete(s.operations, other)
	}
	s.operations[id] = left
	return false
}
