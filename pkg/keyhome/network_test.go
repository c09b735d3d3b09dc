package keyhome_test

import (
	"container/heap"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/keyhome"
)

// world is a deterministic simulation: one goroutine runs at a time, and a seed decides what
// happens next. Each activity (a request, a message that is handled, a Tick) is a task. A task runs
// until it waits for the network or the time. Equal seeds give equal runs.
type world struct {
	rnd     *rand.Rand
	now     time.Duration
	events  eventQueue
	count   int
	running *task
	idle    []*task // their goroutines wait for another task
	json    bool    // messages take the form in which they travel

	// The faults of this moment.
	loss, duplicate float64
	slowest         time.Duration // delay of a message
	crashes         float64       // probability at each step of a task
}

func newWorld(seed uint64) *world {
	return &world{
		rnd: rand.New(rand.NewPCG(seed, 1)), slowest: 5 * time.Millisecond, json: seed%8 == 0,
	}
}

// event is something that happens at a time.
type event struct {
	at  time.Duration
	n   int
	run func()
}

type eventQueue []event

func (q eventQueue) Len() int { return len(q) }
func (q eventQueue) Less(i, j int) bool {
	return q[i].at < q[j].at || q[i].at == q[j].at && q[i].n < q[j].n
}
func (q eventQueue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q *eventQueue) Push(x any)   { *q = append(*q, x.(event)) }
func (q *eventQueue) Pop() any {
	last := (*q)[len(*q)-1]
	*q = (*q)[:len(*q)-1]
	return last
}

// after runs f when that time has passed.
func (w *world) after(d time.Duration, f func()) {
	w.count++
	heap.Push(&w.events, event{w.now + d, w.count, f})
}

// run lets the time pass.
func (w *world) run(d time.Duration) {
	end := w.now + d
	for len(w.events) > 0 && w.events[0].at <= end {
		e := heap.Pop(&w.events).(event)
		w.now = e.at
		e.run()
	}
	w.now = end
}

func (w *world) chance(p float64) bool { return p > 0 && w.rnd.Float64() < p }

// upTo returns a random duration.
func (w *world) upTo(d time.Duration) time.Duration { return time.Duration(w.rnd.Int64N(int64(d) + 1)) }

// task is an activity of a process, or of a client if process is nil.
type task struct {
	process *process
	f       func()
	resume  chan bool // false = the process has crashed
	yielded chan struct{}
	ended   bool
}

// errCrashed unwinds the tasks of a process that has crashed.
var errCrashed = errors.New("crashed")

// spawn starts a task now. Goroutines are used again, because new ones would have to grow their
// stacks.
func (w *world) spawn(p *process, f func()) {
	var t *task
	if n := len(w.idle); n > 0 {
		t, w.idle = w.idle[n-1], w.idle[:n-1]
	} else {
		t = &task{resume: make(chan bool), yielded: make(chan struct{})}
		go t.run()
	}
	t.process, t.f, t.ended = p, f, false
	w.wake(t)
}

// run runs one activity after the other, until resume is closed.
func (t *task) run() {
	for alive := range t.resume {
		if alive {
			t.runOne()
		}
		t.ended = true
		t.yielded <- struct{}{}
	}
}

func (t *task) runOne() {
	defer func() {
		if e := recover(); e != nil && e != errCrashed { //nolint:errorlint // a panic value
			panic(e)
		}
	}()
	t.f()
}

// wake lets a task run until it waits or ends.
func (w *world) wake(t *task) {
	before := w.running
	w.running = t
	t.resume <- t.process == nil || !t.process.dead
	<-t.yielded
	w.running = before
	if t.ended {
		w.idle = append(w.idle, t)
	}
}

// close ends the goroutines of tasks that have ended.
func (w *world) close() {
	for _, t := range w.idle {
		close(t.resume)
	}
	w.idle = nil
}

// wait lets the task that runs wait until start has arranged that it is woken.
func (w *world) wait(start func(wake func())) {
	t := w.running
	start(func() { w.wake(t) })
	t.yielded <- struct{}{}
	if !<-t.resume {
		panic(errCrashed)
	}
}

// step is a moment at which the process that runs may crash.
func (w *world) step() {
	if p := w.running.process; p != nil && !p.dead && w.chance(w.crashes) {
		p.crash()
	}
	if p := w.running.process; p != nil && p.dead {
		panic(errCrashed)
	}
}

// Now implements keyhome.Clock. It is an ordinary time, because the versions of claims start there.
func (w *world) Now() time.Time { return start.Add(w.now) }

var start = time.Unix(1_900_000_000, 0)

// skewed is the clock of an instance that is ahead of the others.
type skewed struct {
	*world
	ahead time.Duration
}

// Now implements keyhome.Clock.
func (s skewed) Now() time.Time { return s.world.Now().Add(s.ahead) }

// Sleep implements keyhome.Clock.
func (w *world) Sleep(ctx context.Context, d time.Duration) error {
	w.wait(func(wake func()) { w.after(d, wake) })
	return ctx.Err()
}

// patience is how long a sender waits for a reply.
const patience = 100 * time.Millisecond

// call lets target answer a question over the network: handle runs there as a task, once, twice or
// never. It returns false if there is no answer in time.
func call[T any](
	w *world,
	limit time.Duration,
	target func() *process,
	handle func(*process) (T, error),
) (reply T, err error) {
	w.step()
	err = keyhome.ErrNoAnswer
	w.wait(func(wake func()) {
		answered := false
		answer := func(r T, e error) {
			if !answered {
				answered, reply, err = true, r, e
				wake()
			}
		}
		w.after(limit, func() { answer(reply, keyhome.ErrNoAnswer) })
		deliver := func() {
			p := target()
			if p == nil || p.dead || p.paused {
				return
			}
			w.spawn(p, func() {
				r, e := handle(p)
				if e != nil && !errors.Is(e, keyhome.ErrLegacy) || w.chance(w.loss) {
					return
				}
				w.after(w.upTo(w.slowest), func() { answer(r, e) })
			})
		}
		if !w.chance(w.loss) {
			w.after(w.upTo(w.slowest), deliver)
		}
		if w.chance(w.duplicate) { // this copy may arrive after the sender has given up
			w.after(w.upTo(20*patience), deliver)
		}
	})
	w.step()
	return reply, err
}

// transport is the keyhome.Transport of one process.
type transport struct{ *process }

// Send implements keyhome.Transport.
func (t transport) Send(ctx context.Context, to int, m keyhome.Message) (keyhome.Reply, error) {
	from := t.process
	arriving := from.fleet.travel(m)
	target := func() *process { return from.fleet.reach(from, to) }
	return call(from.fleet.world, patience, target, func(p *process) (r keyhome.Reply, err error) {
		if p.legacy {
			return r, keyhome.ErrLegacy
		}
		m := arriving()
		reply, err := p.home.Handle(ctx, m)
		from.fleet.traceMessage(to, m, reply, err)
		return reply, err
	})
}

// travel returns a function that returns a message as it arrives. The copy shares nothing with the
// message that was sent. JSON is slow, so only some schedules use it.
func (w *world) travel(m keyhome.Message) (arriving func() keyhome.Message) {
	if !w.json {
		sent := cloneMessage(m)
		return func() keyhome.Message { return cloneMessage(sent) }
	}
	data, err := json.Marshal(m)
	if err != nil {
		panic(err)
	}
	return func() (m keyhome.Message) {
		if err := json.Unmarshal(data, &m); err != nil {
			panic(err)
		}
		return m
	}
}

func cloneMessage(m keyhome.Message) keyhome.Message {
	m.Claims, m.Heirs, m.Held = slices.Clone(m.Claims), slices.Clone(m.Heirs), maps.Clone(m.Held)
	return m
}

// crashingTable is a table whose process may crash before and after each write.
type crashingTable struct {
	keyhome.Table
	w *world
	p *process
}

func (c crashingTable) Save(ctx context.Context, s *keyhome.State, claims []keyhome.Claim) (int64, error) {
	c.w.step()
	defer c.w.step()
	for i := range claims {
		c.p.fleet.trace(
			"%d imports %v owner %d version %d expires %d",
			c.p.ordinal,
			claims[i].Key,
			claims[i].Owner,
			claims[i].Version,
			claims[i].Expires,
		)
	}
	return c.Table.Save(ctx, s, claims)
}

func (c crashingTable) Swap(ctx context.Context, key keyhome.Key, version uint64, next *keyhome.Entry) (bool, error) {
	c.w.step()
	defer c.w.step()
	swapped, err := c.Table.Swap(ctx, key, version, next)
	switch {
	case !swapped:
	case next == nil:
		c.p.fleet.trace("%d removes %v version %d", c.p.ordinal, key, version)
	case next.Version != version:
		c.p.fleet.trace("%d writes %v owner %d version %d for %d", c.p.ordinal, key, next.Owner, next.Version, version)
	}
	return swapped, err
}

func (c crashingTable) SwapAll(ctx context.Context, changes []keyhome.Change) error {
	for _, change := range changes {
		if _, err := c.Swap(ctx, change.Key, change.Version, change.Next); err != nil {
			return err
		}
	}
	return nil
}
