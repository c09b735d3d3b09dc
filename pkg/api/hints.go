package api

import (
	"context"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/keyhome"
)

const (
	// maxHints bounds the hints that are being sent at the same time. Each takes two short messages. A
	// hint that is not sent costs questions to all instances later, and nothing else.
	maxHints = 64
	// hintTimeout bounds the time in which a hint is sent. Nobody waits for it.
	hintTimeout = 5 * time.Second
)

// hints tells other instances which references this instance has operations of. Safe for concurrent
// use.
type hints struct {
	homes  KeyHomes // nil = no hints
	places chan struct{}
}

func newHints(homes KeyHomes) *hints {
	return &hints{homes: homes, places: make(chan struct{}, maxHints)}
}

// tell tells the homes of a client's external reference that its operation is here. It does not
// wait.
func (h *hints) tell(client, reference string) {
	if h.homes == nil {
		return
	}
	select {
	case h.places <- struct{}{}:
	default:
		return
	}
	go func() {
		defer func() { <-h.places }()
		ctx, cancel := context.WithTimeout(context.Background(), hintTimeout)
		defer cancel()
		h.homes.Hint(ctx, keyhome.ReferenceKey(client, reference))
	}()
}
