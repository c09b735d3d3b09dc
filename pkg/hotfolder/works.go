package hotfolder

import "sync"

// maxStalled is how many runs of a client service may wait after a fault before no further run is
// started. So a fault of some files does not stop the others, and a fault of everything does not
// claim everything.
const maxStalled = 16

// works are the runs that an instance works on for one client service. It is safe for concurrent
// use.
type works struct {
	lane    chan struct{} // one value for each run that may be worked on at the same time
	retries chan struct{} // the same, for runs that have had a fault; so a slow fault blocks no other run

	mu   sync.Mutex
	runs map[string]work
}

// work is the state of a run.
type work struct {
	unwritable bool // its results cannot be written
	stalled    bool // it has a fault, and tries again
}

func newWorks(limit int) *works {
	return &works{lane: make(chan struct{}, limit), retries: make(chan struct{}, 1), runs: make(map[string]work)}
}

// add adds a run. It returns how many there are now, and false if the run is worked on already.
func (w *works) add(run string) (n int, ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, ok := w.runs[run]; ok {
		return len(w.runs), false
	}
	w.runs[run] = work{}
	return len(w.runs), true
}

// end removes a run. It returns how many are left.
func (w *works) end(run string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.runs, run)
	return len(w.runs)
}

// change changes the state of a run.
func (w *works) change(run string, f func(*work)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	state := w.runs[run]
	f(&state)
	w.runs[run] = state
}

// full reports whether no further run may be started.
func (w *works) full() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	stalled := 0
	for _, state := range w.runs {
		if state.stalled {
			stalled++
		}
	}
	return len(w.runs)-stalled >= cap(w.lane) || stalled >= maxStalled
}

// unwritable reports whether the results of a run cannot be written.
func (w *works) unwritable() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, state := range w.runs {
		if state.unwritable {
			return true
		}
	}
	return false
}

// turn is the right of one run to be worked on. It is not safe for concurrent use.
type turn struct {
	*works
	run string
	at  chan struct{} // the lane in which the run is; nil = it waits
}

// enter waits for the right to work on the run.
func (t *turn) enter() {
	lane := t.lane
	t.change(t.run, func(w *work) {
		if w.stalled {
			lane = t.retries
		}
	})
	if t.at == lane {
		return
	}
	t.leave()
	lane <- struct{}{}
	t.at = lane
}

// leave gives the right back.
func (t *turn) leave() {
	if t.at != nil {
		<-t.at
		t.at = nil
	}
}

// stall says whether the run has a fault. While it has one, it does not count among the runs that
// are worked on.
func (t *turn) stall(fault bool) {
	t.change(t.run, func(w *work) { w.stalled = fault })
}

// unwritableIf says whether the results of the run cannot be written.
func (t *turn) unwritableIf(fault error) {
	t.change(t.run, func(w *work) { w.unwritable = fault != nil })
}
