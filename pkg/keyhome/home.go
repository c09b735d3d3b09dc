package keyhome

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/go-logr/logr"
)

// Clock is the time, and what waits for it. It is safe for concurrent use.
type Clock interface {
	Now() time.Time
	// Sleep returns after d, or earlier with the error of ctx.
	Sleep(ctx context.Context, d time.Duration) error
}

// Config is what New needs. All fields without another word are required.
type Config struct {
	Ordinal   int // of this instance
	Table     Table
	Transport Transport
	Holdings  Holdings
	View      func() View // called often; safe for concurrent use
	Clock     Clock
	// Lifetime is after which time the owner of a claim is asked whether it is still needed. It is the
	// retention of operations, plus the longest time from the claim to the creation of the operation
	// and to its end. It must be at least some seconds. 0 = never.
	Lifetime time.Duration
	// MaxHints bounds the references whose instance is remembered. 0 = 100,000, about 10 MB.
	MaxHints int
	Log      logr.Logger
}

// Home is the part of an instance that claims keys and answers as a home of keys. It starts no
// goroutine. Safe for concurrent use, except Tick.
type Home struct {
	*requester
	*hints

	cfg        Config
	register   *register
	keeper     *keeper
	membership *membership
	departure  departure
	upkeep     upkeep
	clocks     *clockWatch
}

// errNotStarted is the answer before Start.
var errNotStarted = errors.New("the claims were not loaded yet")

// New returns a Home that answers nothing before Start.
func New(cfg Config) *Home { return newHome(cfg, 0) }

func newHome(cfg Config, omit rules) *Home {
	if cfg.Log.GetSink() == nil {
		cfg.Log = logr.Discard()
	}
	watch := &clockWatch{now: cfg.Clock.Now, log: cfg.Log, warned: make(map[int]time.Time)}
	cfg.Transport = watchedTransport{cfg.Transport, watch}
	h := &Home{cfg: cfg, clocks: watch, register: &register{
		ordinal: cfg.Ordinal, table: cfg.Table, omit: omit, versionClock: &versionClock{now: cfg.Clock.Now},
	}}
	h.keeper = &keeper{
		register: h.register, transport: cfg.Transport, clock: cfg.Clock, silent: make(map[int]time.Time),
	}
	h.membership = &membership{h.register}
	h.requester = &requester{
		register: h.register, view: cfg.View, send: h.send, clock: cfg.Clock, holdings: cfg.Holdings, lifetime: cfg.Lifetime,
		log: cfg.Log, uses: make(map[Key]*use), legacy: make(map[int]bool),
	}
	h.hints = newHints(h.requester, cfg.MaxHints)
	h.departure = departure{membership: h.membership, transport: cfg.Transport, clock: cfg.Clock}
	h.upkeep = upkeep{
		keeper:    h.keeper,
		requester: h.requester,
		holdings:  cfg.Holdings,
		arrival: &arrival{
			membership: h.membership,
			transport:  cfg.Transport,
			view:       cfg.View,
			removedAt:  make(map[int]time.Time),
		},
	}
	return h
}

// Start loads the claims. It fails while the View is not known, because an instance that was
// removed meanwhile must not act before it has joined again. Call it until it succeeds.
func (h *Home) Start(ctx context.Context) error {
	v := h.cfg.View()
	if !v.Known {
		return errors.New("start key homes: the list of instances is not known yet")
	}
	if err := h.register.start(ctx, v); err != nil {
		return err
	}
	h.register.started.Store(true)
	return nil
}

// Tick does what is due: it joins or returns, copies claims, removes expired ones. Call it about
// once a second. The error says what could not be done; the next call tries again. Tick must not
// run twice at the same time.
func (h *Home) Tick(ctx context.Context) error {
	if !h.Started() {
		return errNotStarted
	}
	return h.upkeep.tick(ctx)
}

// Leave hands the claims over before a planned stop. It returns when all heirs know, or ctx is
// done. After Leave this instance decides nothing, and answers what it knows. forGood says that
// this instance will not return with its state folder. It may be said in a second call, after a
// call without it.
//
// After an error nobody acts for this instance, except for heirs that were told. If there was no
// heir, this instance goes on deciding until its process ends.
//
// Requests that are running may go on, and new ones may come: their keys are claimed at the heirs.
// They must call Done before the process ends, so that claims without an operation are released.
// Otherwise their keys wait for this instance.
func (h *Home) Leave(ctx context.Context, forGood bool) error {
	if !h.Started() {
		return errNotStarted
	}
	return h.departure.leave(ctx, forGood)
}

// Started reports whether Start has succeeded.
func (h *Home) Started() bool { return h.register.started.Load() }

// Ready reports whether this instance acts for all of its keys.
func (h *Home) Ready() bool {
	s := h.register.look()
	return h.Started() && s.Standing == In && len(s.Heirs) == 0
}

// send sends a message to an instance, which may be this one.
func (h *Home) send(ctx context.Context, to int, m Message) (Reply, error) {
	if to == h.cfg.Ordinal {
		return h.Handle(ctx, m)
	}
	return h.cfg.Transport.Send(ctx, to, m)
}

// Handle answers a message of a peer. The caller has authenticated m.From. An error means that
// nothing is known about the effect, and the peer gets no answer.
func (h *Home) Handle(ctx context.Context, m Message) (Reply, error) {
	if !h.Started() {
		return Reply{}, errNotStarted
	}
	if len(m.Claims) > PageSize {
		return Reply{}, fmt.Errorf("message has %d claims, the limit is %d", len(m.Claims), PageSize)
	}
	if err := h.clocks.received(&m); err != nil {
		return Reply{}, err
	}
	switch m.Kind {
	case KindClaim:
		return h.keeper.claim(ctx, m.Claim)
	case KindQuery:
		return h.keeper.query(ctx, m.From, m.Claim)
	case KindRelease:
		return h.keeper.release(ctx, m)
	case KindCopy:
		return h.keeper.keep(ctx, m)
	case KindHandOver:
		return h.membership.handOver(ctx, m)
	case KindFetch:
		return h.membership.fetch(ctx, m)
	case KindConfirm:
		return h.upkeep.confirm(ctx, m)
	case KindHint:
		h.hints.keep(m.Claim)
		return Reply{Answer: Done, DeferTo: -1}, nil
	case KindFindHint:
		return h.hints.find(m.Claim.Key), nil
	}
	return Reply{}, fmt.Errorf("message has the unknown kind %q", m.Kind)
}
