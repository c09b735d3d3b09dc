package hotfolder

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/hotfolder/cron"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// plan says when the goroutine that scans does what next.
type plan struct {
	tick   time.Time // of Config.Schedule, by the wall clock; zero = never
	wall   time.Time // when ticked was called last, by the wall clock
	scan   time.Time
	rested time.Time // no scan before this time because of a hint
	renew  time.Time
	owners time.Time
	due    time.Time // when the next file becomes complete; zero = unknown
	look   time.Time // when the files are looked at that notifications name; zero = there are none
	looked time.Time // when that was done last
}

// loop scans the folder and starts runs until ctx is done.
func (f *folder) loop(ctx context.Context) {
	f.window = newWindow(f.cfg)
	var p plan
	p.ticked(f.cfg.Schedule, time.Now())
	f.recover(ctx)
	for ctx.Err() == nil {
		now := time.Now()
		if !now.Before(p.renew) {
			p.renew = now.Add(renewInterval)
			f.renew(ctx)
		}
		if !now.Before(p.owners) {
			p.owners = now.Add(ownersEvery)
			f.takeOver(ctx)
		}
		if !p.look.IsZero() && !now.Before(p.look) {
			p.look, p.looked = time.Time{}, now
			if f.look(ctx) {
				p.hint(now)
			}
		}
		ticked := p.ticked(f.cfg.Schedule, now)
		if ticked || !now.Before(p.scan) {
			p.scan, p.rested = f.scan(ctx, now)
		}
		if ticked {
			f.count(time.Now())
		}
		f.takeBack()
		p.due = f.claimAll(ctx)
		f.rest(ctx, &p)
	}
}

// ticked reports whether a tick of a schedule has come, and plans the next one. It plans again when
// the wall clock was set back, because the tick that is planned may be far away then.
func (p *plan) ticked(schedule *cron.Expression, now time.Time) bool {
	if schedule == nil {
		return false
	}
	wall := now.Round(0) // without the monotonic clock
	ticked := !p.tick.IsZero() && !wall.Before(p.tick)
	if ticked || p.wall.IsZero() || wall.Before(p.wall) {
		p.tick, _ = schedule.Next(wall)
	}
	p.wall = wall
	return ticked
}

// rest waits until there is something to do.
func (f *folder) rest(ctx context.Context, p *plan) {
	wait := longestSleep
	now := time.Now()
	for _, at := range []time.Time{p.scan, p.renew, p.owners, p.due, p.look} {
		if !at.IsZero() {
			wait = min(wait, at.Sub(now))
		}
	}
	if !p.tick.IsZero() {
		wait = min(wait, p.tick.Sub(now.Round(0)))
	}
	timer := time.NewTimer(max(wait, 0))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-f.news:
	case <-ctx.Done():
	case <-f.hints.wake:
		p.look = earlier(p.look, p.looked.Add(hintDelay)) // at once, unless it was done a moment ago
	case <-f.storage.Wake():
		p.hint(time.Now().Add(hintDelay)) // events come in crowds, so the scan waits for a moment
	}
}

// hint plans a scan because of a hint.
func (p *plan) hint(at time.Time) {
	if at.Before(p.rested) {
		at = p.rested
	}
	p.scan = earlier(p.scan, at)
}

// scan lists the input folder and returns when the next scan is due, and before which time hints
// cause none. A long list is made less often.
func (f *folder) scan(ctx context.Context, now time.Time) (next, rested time.Time) {
	s := f.window.begin(now)
	for e, err := range f.storage.List(ctx) {
		if err != nil {
			if ctx.Err() == nil {
				f.report(err)
			}
			return time.Now().Add(faultDelay), time.Time{}
		}
		s.add(e)
	}
	s.end()
	f.report(nil)
	after := time.Now()
	ready, _ := f.window.complete(after)
	pause := f.cfg.Scan
	if pause == 0 {
		pause = 5 * time.Second
		if f.storage.Wake() != nil {
			pause = time.Minute
		}
	}
	rest := scanShare * after.Sub(now)
	pause = max(pause, rest)
	f.metrics.listed(f.client, f.window, len(f.window.files)-len(ready), after, pause)
	return after.Add(pause), after.Add(rest)
}

// scanShare is how many times longer than a scan the pause after it is. So scans take a tenth of
// the time, however many files there are.
const scanShare = 10

// count decides at a tick whether the files are enough for runs.
func (f *folder) count(now time.Time) {
	ready, _ := f.window.complete(now)
	if n := len(ready) + f.window.counts.beyond; n >= f.cfg.Threshold {
		f.budget = n
	}
}

// allowed returns the complete files that may be claimed now.
func (f *folder) allowed(ready []*candidate, now time.Time) []*candidate {
	if f.cfg.Immediate {
		return ready
	}
	if at := f.flushAt(ready); !at.IsZero() && !at.After(now) {
		f.budget = max(f.budget, len(ready))
	}
	if f.budget > 0 {
		return ready[:min(f.budget, len(ready))]
	}
	var late []*candidate // what has waited too long fails without a run
	for _, c := range ready {
		if c.incomplete || c.Size == 0 || c.unreadable && f.window.late(c, now) {
			late = append(late, c)
		}
	}
	return late
}

// flushAt returns when the first file has waited for MaxWait.
func (f *folder) flushAt(ready []*candidate) (at time.Time) {
	if f.cfg.Immediate || f.cfg.MaxWait == 0 {
		return at
	}
	for _, c := range ready {
		if when := c.first.Add(f.cfg.MaxWait); at.IsZero() || when.Before(at) {
			at = when
		}
	}
	return at
}

// claimAll claims complete files and starts runs, as far as it is allowed and there is room. It
// returns when it should be called again; zero = only after an event.
func (f *folder) claimAll(ctx context.Context) time.Time {
	for ctx.Err() == nil {
		now := time.Now()
		ready, next := f.window.complete(now)
		allowed, orphans := f.allowed(ready, now), f.window.orphans(now)
		if len(allowed)+len(orphans) == 0 {
			f.budget = 0
			if len(ready) == 0 && f.window.counts.beyond > 0 && next.IsZero() { // the window is used up
				f.window.counts.beyond = 0
				f.scan(ctx, now)
				continue
			}
			return earlier(next, f.flushAt(ready))
		}
		if wait := f.blocked(); wait > 0 {
			return now.Add(wait)
		}
		if f.works.full() {
			return earlier(next, now.Add(faultDelay)) // the end of a run wakes this goroutine
		}
		group, err := f.findCompanions(ctx, f.group(allowed), now)
		if err != nil {
			f.report(err)
			return time.Now().Add(faultDelay)
		}
		if len(group)+len(orphans) == 0 {
			continue
		}
		if err := f.begin(ctx, group, orphans); err != nil {
			f.report(err)
			return time.Now().Add(faultDelay)
		}
		f.budget = max(f.budget-len(group), 0)
	}
	return time.Time{}
}

// earlier returns the earlier of two times, of which zero stands for never.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// blocked returns for how long no file may be claimed.
func (f *folder) blocked() time.Duration {
	if f.works.unwritable() {
		f.metrics.blocked.WithLabelValues(f.client, "output").Inc()
		return faultDelay
	}
	err := f.cfg.refusal()
	if err == nil {
		err = f.cfg.Service.Admit(f.client)
	}
	if err == nil {
		return 0
	}
	f.metrics.blocked.WithLabelValues(f.client, "queue").Inc()
	return max(signing.AsError(err).RetryAfter, time.Second)
}

// leastFiles is how many files a run has at least if enough wait. It is the usual size of a call
// to a signing service.
const leastFiles = 100

// group returns the first files up to the limits of a run. The last files are shared among the
// runs that may be worked on at the same time. Otherwise the last run would be alone with many
// files, and one core or the disk would have nothing to do for much of its time.
func (f *folder) group(ready []*candidate) []*candidate {
	waiting := len(ready) + f.window.counts.beyond
	share := (waiting + f.cfg.MaxRuns - 1) / f.cfg.MaxRuns
	most := min(max(share, leastFiles), f.cfg.MaxFiles)
	var bytes int64
	for i, c := range ready {
		bytes += c.Size
		if i == most || i > 0 && bytes > f.cfg.MaxBytes {
			return ready[:i]
		}
	}
	return ready
}

// newRun returns a run with a random UUID (RFC 9562, version 4).
func (f *folder) newRun() Run {
	var b [16]byte
	_, _ = rand.Read(b[:])
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return Run{Owner: f.cfg.Ordinal, ID: fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])}
}

// begin claims files with what belongs to them and starts a run.
func (f *folder) begin(ctx context.Context, group []*candidate, orphans []Entry) error {
	run := f.newRun()
	files := f.window.take(group, orphans, time.Now())
	if len(files.settled) > 0 {
		if err := f.storage.Note(ctx, run, sidecarsNote, noteOf(files.settled)); err != nil {
			_ = f.storage.Release(ctx, run) // nothing is claimed
			return err
		}
	}
	var missing error // why not all companions are claimed; the run claims them then
	errs := f.storage.Claim(ctx, run, files.entries)
	claimed, err := f.claimed(ctx, files.entries, errs)
	if claimed > 0 {
		f.metrics.started(f.client, time.Now())
		missing = firstOf(f.storage.Claim(ctx, run, files.companionsOf(errs)))
		f.log.Info("run started", "run", run.ID, "files", claimed)
	}
	if claimed == 0 && err == nil { // other instances were faster, or the files have changed
		return f.storage.Release(ctx, run)
	}
	f.start(ctx, run, files.final, err != nil || missing != nil) // after an error some files may be claimed
	return err
}

// claimed removes the files that were claimed from the window, and counts them. It returns an error
// if the folder cannot be used.
func (f *folder) claimed(ctx context.Context, entries []Entry, errs []error) (n int, fault error) {
	now := time.Now()
	for i, e := range entries {
		var err error
		if errs != nil {
			err = errs[i]
		}
		c := f.window.files[e.Name]
		switch {
		case err == nil:
			n++
			f.window.forget(e.Name)
		case errors.Is(err, ErrGone):
			f.window.forget(e.Name)
		case c == nil: // a sidecar, which the next scan finds again
		case errors.Is(err, ErrChanged):
			if now, err := f.storage.Stat(ctx, e.Name); err == nil {
				f.window.files[e.Name] = c.seen(now, time.Now())
			} else {
				delete(f.window.files, e.Name)
			}
		case errors.Is(err, ErrInUse), errors.Is(err, ErrUnreadable):
			c.notBefore = now.Add(inUseDelay)
			c.unreadable = errors.Is(err, ErrUnreadable)
		default:
			if fault == nil {
				fault = err
			}
			c.notBefore = now.Add(inUseDelay) // one bad file does not block the others
		}
	}
	return n, fault
}
