package signing

import "sync"

// liveCalls are the calls that this process has begun and not ended. It is safe for concurrent use.
type liveCalls struct {
	mu  sync.Mutex
	ids map[string]bool
}

func newLiveCalls() *liveCalls { return &liveCalls{ids: make(map[string]bool)} }

func (l *liveCalls) add(call string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ids[call] = true
}

func (l *liveCalls) remove(call string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.ids, call)
}

// notLive returns the ids of those calls that are not live.
func (l *liveCalls) notLive(calls []CallRecord) map[string]bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	left := make(map[string]bool)
	for _, call := range calls {
		left[call.ID] = !l.ids[call.ID]
	}
	return left
}
