package main

import (
	"context"
	"slices"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/signstash-proxy/signstash-proxy/pkg/affinity"
	"github.com/signstash-proxy/signstash-proxy/pkg/api"
	"github.com/signstash-proxy/signstash-proxy/pkg/config"
	"github.com/signstash-proxy/signstash-proxy/pkg/keyhome"
)

const (
	// keyHomeTick is the time between two rounds of upkeep. keyhome.Home asks for about a second.
	keyHomeTick = time.Second
	// keyHomeStart is the time between two attempts to start, and between two rounds of upkeep until
	// this instance decides about its keys. Until then some keys are refused.
	keyHomeStart = 250 * time.Millisecond
	// settleTime is how long an instance that starts is not ready because it waits for others that act
	// for its keys. It usually takes a moment. It ends, because otherwise two instances that each wait
	// until the other one is ready would never start.
	settleTime = 10 * time.Second
	// leaveTimeout bounds the hand-over at a planned stop. It takes a few messages, and one more for
	// 1,000 claims that no heir has a copy of. An heir that answers nothing for longer is missing.
	leaveTimeout = 15 * time.Second
)

// keyHome runs this instance's part in claiming Idempotency-Keys. Its methods are safe for
// concurrent use, except that run is called once.
type keyHome struct {
	home      *keyhome.Home // nil = no other instance is asked, so no key is claimed
	messenger *affinity.Messenger
	secrets   affinity.MessageKeys
	view      func() keyhome.View
	ordinal   int // of this instance
	opened    time.Time
	log       logr.Logger

	// waiting is why the last round of upkeep was not complete. Empty = it was.
	waiting atomic.Pointer[string]
}

// openKeyHome makes the key home of this instance. It has none without other instances to ask, and
// none without a key that all instances share, because messages are authenticated with it. All
// other instances are asked for each new Idempotency-Key then.
func (p *proxy) openKeyHome(key []byte) {
	none := ""
	k := &keyHome{ordinal: p.cfg.InstanceOrdinal, opened: p.started, log: p.log.WithName("keys")}
	k.waiting.Store(&none)
	p.keys = k
	p.registerKeyMetrics()
	if c := p.cfg; c.Affinity.PeersFile == "" || c.Affinity.Forward == affinity.Off || c.Server.TokenSigningKey == "" {
		return
	}
	k.secrets.Set(key)
	k.view = affinity.ViewOf(p.instances.files, k.ordinal)
	k.messenger = affinity.NewMessenger(affinity.MessengerConfig{
		Ordinal: k.ordinal, Forwarder: p.instances.forwarder, Identity: p.instances.identity, Keys: &k.secrets,
		BasePath: api.DefaultBasePath,
	})
	p.stop.departure.ask = k.messenger.Directories
	lifetime := claimLifetime(p.cfg)
	claims := p.state.store.Claims(lifetime)
	k.home = keyhome.New(keyhome.Config{
		Ordinal: k.ordinal, Table: claims, Holdings: claims, Transport: k.messenger, View: k.view, Clock: systemClock{},
		Lifetime: lifetime, Log: k.log,
	})
}

// claimLifetime returns how long claims are kept before their owners are asked whether they still
// need them: as long as operations are kept after their end, plus the time until their end. The
// hour is for reading the request and for the last attempt to sign.
func claimLifetime(cfg config.Config) time.Duration {
	return cfg.Retention.Age + cfg.Signing.Deadline + time.Hour
}

// homes returns the key home in the form that the API needs.
func (k *keyHome) homes() api.KeyHomes {
	if k.home == nil {
		return nil
	}
	return k.home
}

// systemClock is the time of this machine.
type systemClock struct{}

// Now implements keyhome.Clock.
func (systemClock) Now() time.Time { return time.Now() }

// Sleep implements keyhome.Clock.
func (systemClock) Sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(d):
		return nil
	}
}

// registerKeyMetrics registers the gauges of key homes. The number of claims is in stateCollector,
// and the number of decisions in the metrics of the API.
func (p *proxy) registerKeyMetrics() {
	p.registry.MustRegister(
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "signstash_key_home_ready",
			Help: "1 while this instance decides about all Idempotency-Keys whose home it is, or needs no key homes, else 0.",
		}, func() float64 { return oneIf(p.keys.ready()) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "signstash_key_home_waiting",
			Help: "1 while the upkeep of claims waits for another instance that does not answer, else 0.",
		}, func() float64 { return oneIf(*p.keys.waiting.Load() != "") }),
	)
}

func oneIf(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}

// run starts the home as soon as the list of instances is known, and then ticks until ctx is done.
func (k *keyHome) run(ctx context.Context) error {
	if k.home == nil {
		<-ctx.Done()
		return nil
	}
	for next := k.home.Start; ; {
		err := next(ctx)
		if ctx.Err() != nil {
			return nil
		}
		k.note(err)
		if err == nil {
			next = k.home.Tick
		}
		pause := keyHomeStart
		if k.home.Ready() {
			pause = keyHomeTick
		}
		if (systemClock{}).Sleep(ctx, pause) != nil {
			return nil
		}
	}
}

// note records the result of a round of upkeep. It logs what upkeep waits for when that changes,
// not at each round.
func (k *keyHome) note(err error) {
	waiting := ""
	if err != nil {
		waiting = err.Error()
	}
	if before := k.waiting.Swap(&waiting); *before != waiting && err != nil {
		k.log.Info("the upkeep of claims waits", "reason", waiting)
	}
}

// ready reports whether this instance decides about all keys whose home it is.
func (k *keyHome) ready() bool { return k.home == nil || k.home.Ready() }

// settling reports whether this instance has just started and waits for others before it decides
// about all keys whose home it is, or is still loading its claims. Loading takes minutes after an
// upgrade with a million operations. Other instances take the requests meanwhile, if there are any.
func (k *keyHome) settling() bool {
	if k.ready() || k.unexpected() {
		return false
	}
	loading := !k.home.Started() && k.view().Expected > 1
	return loading || time.Since(k.opened) < settleTime
}

// unexpected reports whether the operator wants fewer instances, so that this one will not return
// after its stop.
func (k *keyHome) unexpected() bool {
	if k.home == nil {
		return false
	}
	v := k.view()
	return v.Known && k.ordinal >= v.Expected
}

// alone reports whether this is the only instance that is wanted or exists.
func (k *keyHome) alone() bool {
	v := k.view()
	others := slices.ContainsFunc(v.Listed, func(o int) bool { return o != k.ordinal })
	return v.Known && v.Expected == 1 && k.ordinal == 0 && !others
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
	err := k.home.Leave(ctx, forGood)
	if err != nil && k.alone() {
		return true
	}
	if err != nil {
		k.log.Info("the claims of Idempotency-Keys were not handed over; the other instances refuse new keys "+
			"whose home is this instance until it is back", "reason", err.Error())
		return false
	}
	k.log.Info("the claims of Idempotency-Keys are handed over", "forGood", forGood)
	return true
}
