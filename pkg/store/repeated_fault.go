package store

import (
	"sync"

	"github.com/go-logr/logr"
)

// repeatedFault logs an error that may come again every minute, once until it changes or passes.
// Safe for concurrent use.
type repeatedFault struct {
	mu   sync.Mutex
	last string
}

func (f *repeatedFault) report(log logr.Logger, err error, message string) {
	text := ""
	if err != nil {
		text = err.Error()
	}
	f.mu.Lock()
	same := text == f.last
	f.last = text
	f.mu.Unlock()
	if err != nil && !same {
		log.Error(err, message)
	}
}
