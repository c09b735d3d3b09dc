package hotfolder

import (
	"context"
	"errors"
	"time"
)

// recover starts the runs that an earlier process of this instance left.
func (f *folder) recover(ctx context.Context) {
	for {
		err := f.each(ctx, f.cfg.Ordinal, func(r Run) { f.start(ctx, r, nil, true) })
		if err == nil {
			return
		}
		f.report(err)
		if !sleep(ctx, faultDelay) {
			return
		}
	}
}

func (f *folder) each(ctx context.Context, owner int, do func(Run)) error {
	for r, err := range f.storage.Runs(ctx, owner) {
		if err != nil {
			return err
		}
		do(r)
	}
	return nil
}

// takeOver takes over the runs of instances that are gone.
func (f *folder) takeOver(ctx context.Context) {
	owners, err := f.storage.Owners(ctx)
	if err != nil {
		f.report(err)
		return
	}
	for _, o := range owners {
		silent := f.silence.of(o, time.Now())
		gone := !f.cfg.expected(o.Ordinal) && silent >= trustAfter
		if o.Ordinal == f.cfg.Ordinal || !gone && silent < f.cfg.LockTime {
			continue
		}
		var runs []Run
		if err := f.each(ctx, o.Ordinal, func(r Run) { runs = append(runs, r) }); err != nil {
			f.report(err)
			continue
		}
		for _, r := range runs {
			taken, err := f.storage.TakeOver(ctx, r)
			switch {
			case err == nil:
				f.metrics.takenOver.WithLabelValues(f.client).Inc()
				f.log.Info("run taken over", "run", r.ID, "from", o.Ordinal, "silent", silent.String())
				f.start(ctx, taken, nil, true)
			case !errors.Is(err, ErrGone):
				f.report(err)
			}
		}
	}
}

func (f *folder) renew(ctx context.Context) {
	if err := f.storage.Renew(ctx); err != nil {
		f.report(err)
	}
}

// start works on a run in a goroutine of its own. unclear says that it is not known whether all its
// sidecars are claimed.
func (f *folder) start(ctx context.Context, run Run, final map[string]bool, unclear bool) {
	n, ok := f.works.add(run.ID)
	if !ok {
		return
	}
	f.metrics.working(f.client, n)
	r := &runner{
		unclear: unclear,
		cfg:     f.cfg, log: f.log, storage: f.storage, run: run, client: f.client, files: f.metrics, final: final,
		returned: f.returned, turn: &turn{works: f.works, run: run.ID}, tell: f.tell,
	}
	f.running.Go(func() {
		r.process(ctx)
		f.metrics.working(f.client, f.works.end(run.ID))
		f.tell()
	})
}

// returned notes a file that a run gave back.
func (f *folder) returned(name string, incomplete bool) {
	f.mu.Lock()
	if len(f.back) < f.cfg.Window {
		f.back[name] = incomplete
	}
	f.mu.Unlock()
	f.tell()
}

// takeBack adds files that were given back to the window.
func (f *folder) takeBack() {
	f.mu.Lock()
	back := f.back
	f.back = make(map[string]bool)
	f.mu.Unlock()
	for name, incomplete := range back {
		e, err := f.storage.Stat(context.Background(), name)
		if err != nil || e.Irregular != "" {
			continue
		}
		c := f.window.files[name].seen(e, time.Now())
		c.incomplete = incomplete
		f.window.files[name] = c
		if len(name)+len(sidecarSuffix) > maxNameBytes {
			continue
		}
		if side, err := f.storage.Stat(context.Background(), name+sidecarSuffix); err == nil {
			f.window.sidecars[name] = f.window.sidecars[name].seen(side, time.Now())
		}
	}
}
