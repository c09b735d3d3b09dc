package kube

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// notes records the notes of events.
type notes struct {
	mu   sync.Mutex
	list []string
}

func (n *notes) Eventf(_, _ runtime.Object, _, _, _, note string, args ...any) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.list = append(n.list, fmt.Sprintf(note, args...))
}

func (n *notes) all() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.list)
}

// TestEventQueue checks that all events arrive in their order, and that those beyond the burst
// wait.
func TestEventQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var recorded notes
		q := NewEventQueue(&recorded)
		ended := make(chan error)
		ctx, cancel := context.WithCancel(t.Context())
		go func() { ended <- q.Start(ctx) }()
		const sent = 3 * eventBurst
		for n := range sent {
			q.Eventf(&corev1.Secret{}, nil, corev1.EventTypeNormal, "Reason", "Action", "event %d", n)
		}
		synctest.Wait()
		if got := len(recorded.all()); got != eventBurst {
			t.Errorf("%d events at once, want %d", got, eventBurst)
		}
		time.Sleep(sent / eventRate * time.Second) // of the fake clock
		synctest.Wait()
		got := recorded.all()
		if len(got) != sent {
			t.Fatalf("%d events in the end, want %d", len(got), sent)
		}
		for n, note := range got {
			if want := fmt.Sprintf("event %d", n); note != want {
				t.Errorf("event %d is %q, want %q", n, note, want)
			}
		}
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Start ended with %v", err)
		}
	})
}
