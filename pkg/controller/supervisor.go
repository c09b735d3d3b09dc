package controller

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/go-logr/logr"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/rest"

	"github.com/signstash-proxy/signstash-proxy/pkg/internal/pace"
)

const (
	// askTimeout bounds one question to the API server. A paused server accepts connections and never
	// answers.
	askTimeout = 10 * time.Second
	// steady is how long a manager must have run before its end no longer counts as a failed start.
	steady = time.Minute
)

// backoff is the pause between attempts. Its maximum bounds how long the controller does not notice
// that the API server is back.
var backoff = pace.Backoff{First: time.Second, Max: 15 * time.Second}

// supervisor runs one manager after the other, as long as the process lives. A manager ends when it
// cannot reach the API server, and when it loses the leader election. The process goes on and
// starts another one, because a process that exits is restarted with a growing delay of up to five
// minutes, and its pod counts as broken although nothing is wrong with it.
//
// The deadlines of the leader election stay short for that reason: losing the election costs no
// restart, and another controller takes over within 15 seconds when this one fails.
type supervisor struct {
	log logr.Logger
	ask func(context.Context) error                // asks the API server whether it answers
	run func(context.Context) (err error)          // runs one manager
	say func(why string)                           // says what the supervisor waits for; empty = for nothing
	now func() time.Time                           // the clock
	nap func(context.Context, time.Duration) error // waits; its error is that of the context
}

// supervise runs managers until ctx is done. It returns the error of the last one's stop.
func (s *supervisor) supervise(ctx context.Context) error {
	failures := 0
	for s.await(ctx) {
		start := s.now()
		err := s.run(ctx)
		if ctx.Err() != nil {
			return err
		}
		if failures++; s.now().Sub(start) >= steady {
			failures = 1
		}
		if err == nil {
			err = errors.New("the manager ended without an error")
		}
		pause := backoff.After(failures)
		s.say("the controller starts again: " + err.Error())
		s.log.Error(err, "the controller stopped working and starts again", "retryAfter", pause.String())
		_ = s.nap(ctx, pause) // await looks at the context itself
	}
	return nil
}

// await returns true when the API server answers, and false when ctx is done.
func (s *supervisor) await(ctx context.Context) bool {
	for failures := 1; ; failures++ {
		err := s.ask(ctx)
		switch {
		case ctx.Err() != nil:
			return false
		case err == nil:
			s.say("")
			return true
		}
		pause := backoff.After(failures)
		s.say("waiting for the API server: " + err.Error())
		s.log.Info("waiting for the API server", "reason", err.Error(), "retryAfter", pause.String())
		_ = s.nap(ctx, pause) // the next round looks at the context
	}
}

// asker returns a function that asks the API server for its version, which needs no rights. An
// answer that refuses the request is an answer too.
func asker(config *rest.Config) (func(context.Context) error, error) {
	client, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("make client of the API server: %w", err)
	}
	return func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, askTimeout)
		defer cancel()
		err := client.RESTClient().Get().AbsPath("/version").MaxRetries(0).Do(ctx).Error()
		if apierrors.IsForbidden(err) || apierrors.IsUnauthorized(err) {
			return nil
		}
		return err
	}, nil
}
