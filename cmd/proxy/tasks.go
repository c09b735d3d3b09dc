package main

import (
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/go-logr/logr"
)

// tasks are the long-running parts of the proxy.
type tasks struct {
	log     logr.Logger
	running sync.WaitGroup
	failed  chan error // capacity 1: the first failure stops the proxy; later failures follow from it
}

func newTasks(log logr.Logger) *tasks { return &tasks{log: log, failed: make(chan error, 1)} }

// start runs a part and returns a channel that is closed when the part has ended. An HTTP server
// ends with http.ErrServerClosed, which is not a failure.
func (t *tasks) start(name string, run func() error) <-chan struct{} {
	ended := make(chan struct{})
	t.running.Go(func() {
		defer close(ended)
		err := run()
		if err == nil || errors.Is(err, http.ErrServerClosed) {
			return
		}
		t.log.Error(err, "a part of the proxy failed; stopping", "part", name)
		select {
		case t.failed <- fmt.Errorf("run %s: %w", name, err):
		default:
		}
	})
	return ended
}

// wait returns when all parts have ended, or after cutTimeout. A call that is still running then
// ends with the process.
func (t *tasks) wait() {
	ended := make(chan struct{})
	go func() {
		t.running.Wait()
		close(ended)
	}()
	select {
	case <-ended:
	case <-time.After(cutTimeout):
	}
}
