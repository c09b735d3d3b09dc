package main

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// errLeave is the cause of a stop that was ordered with SIGUSR1: the instance leaves for good.
var errLeave = errors.New("the instance was told to leave for good")

// repeatTime is how long after the first signal others are repetitions of it and no new order.
// Container engines, shells and timeout(1) send signals twice, to the process and to its group.
const repeatTime = 2 * time.Second

// stopSignals turns signals into orders. ctx is done at the first SIGINT, SIGTERM or SIGUSR1. Its
// cause is errLeave for SIGUSR1. again is closed at the first signal that is no repetition; only an
// instance that leaves for good obeys it. SIGKILL remains possible at any time and loses no
// accepted operation.
//
// SIGUSR1 needs the rights of the process's user. The management port has no authentication, so it
// must not be able to stop an instance.
func stopSignals(parent context.Context) (ctx context.Context, again <-chan struct{}, end func()) {
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGUSR1)
	ctx, cancel := context.WithCancelCause(parent)
	repeated := make(chan struct{})
	go readSignals(signals, cancel, repeated)
	return ctx, repeated, func() {
		signal.Stop(signals)
		close(signals)
		cancel(nil)
	}
}

// readSignals obeys signals until the channel is closed.
func readSignals(signals <-chan os.Signal, stop context.CancelCauseFunc, repeated chan<- struct{}) {
	first, ok := <-signals
	if !ok {
		return
	}
	at := time.Now()
	if first == syscall.SIGUSR1 {
		stop(errLeave)
	} else {
		stop(nil)
	}
	for range signals {
		if time.Since(at) >= repeatTime {
			close(repeated)
			return
		}
	}
}
