package main

import (
	"context"
	"time"

	"github.com/go-logr/logr"

	"github.com/signstash-proxy/signstash-proxy/pkg/keyhome"
)

const (
	// keyHomeTick is the time between two rounds of upkeep. keyhome.Home asks for about a second.
	keyHomeTick = time.Second
	// keyHomeStart is the time between two attempts to start. The peers file is read about as often.
	keyHomeStart = 250 * time.Millisecond
	// leaveTimeout bounds the hand-over at a planned stop. It takes a few messages, and one more for
	// 1,000 claims that no heir has a copy of. An heir that answers nothing for longer is missing.
	leaveTimeout = 15 * time.Second
)

// keyHome runs this instance's part in claiming Idempotency-Keys. Its methods are safe for
// concurrent use, except that run is called once.
type keyHome struct {
	home    *keyhome.Home // nil = no other instance is asked, so no key is claimed
	view    func() keyhome.View
	ordinal int // of this instance
	log     logr.Logger

	waiting string // why the last round of upkeep was not complete; only run uses it
}

// run starts the home as soon as the list of instances is known, and then ticks until ctx is done.
func (k *keyHome) run(ctx context.Context) error {
	if k.home == nil {
		<-ctx.Done()
		return nil
	}
	for next, pause := k.home.Start, keyHomeStart; ; {
		err := next(ctx)
		if ctx.Err() != nil {
			return nil
		}
		k.note(err)
		if err == nil {
			next, pause = k.home.Tick, keyHomeTick
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pause):
		}
	}
}

// note logs what upkeep waits for when it changes, not at each round.
func (k *keyHome) note(err error) {
	waiting := ""
	if err != nil {
		waiting = err.Error()
	}
	if waiting != k.waiting && err != nil {
		k.log.Info("key homes wait", "reason", waiting)
	}
	k.waiting = waiting
}

// ready reports whether this instance decides about all keys whose home it is.
func (k *keyHome) ready() bool { return k.home == nil || k.home.Ready() }

// unexpected reports whether the operator wants fewer instances, so that this one will not return
// after its stop.
func (k *keyHome) unexpected() bool {
	if k.home == nil {
		return false
	}
	v := k.view()
	return v.Known && k.ordinal >= v.Expected
}

// leave hands the claims of this instance over to the others. It returns when they have answered,
// or after leaveTimeout. forGood says that this instance will not return with its state folder. If
// the claims are not handed over, the log says so, and the keys of this instance are refused until
// it is back. leave may be called while run is ticking, and more than once. handedOver reports that
// other instances decide now, or that none is needed.
func (k *keyHome) leave(ctx context.Context, forGood bool) (handedOver bool) {
	if k.home == nil {
		return true
	}
	ctx, cancel := context.WithTimeout(ctx, leaveTimeout)
	defer cancel()
	if err := k.home.Leave(ctx, forGood); err != nil {
		k.log.Info("the claims of Idempotency-Keys were not handed over; the other instances refuse new keys "+
			"whose home is this instance until it is back", "reason", err.Error())
		return false
	}
	k.log.Info("the claims of Idempotency-Keys are handed over", "forGood", forGood)
	return true
}
