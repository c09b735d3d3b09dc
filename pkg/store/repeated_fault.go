package store

import (
	"sync"

	"github.com/go-logr/logr"
)

// repeatedFault logs an error that may repeat every minute, once until it changes or passes. It is
// safe for concurrent use.
type repeatedFault struct {
	mu   sync.Mutex
	last string
}

// report logs err with the message if err differs from the last one. Nil ends the series.
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
