package hotfolder

import (
	"slices"
	"strings"
	"sync"
	"time"
)

// Status is what this instance knows of the hot folder of one client service. Several instances may
// share the folders.
type Status struct {
	ClientService         string
	Input, Output, Backup string

	// Found by the last complete scan of the input folder.
	LastScan   time.Time // zero = there was none yet
	Waiting    int       // files, complete or not
	Incomplete int       // files that are not complete yet
	Irregular  int       // folders, links and devices, which are never opened
	OldestWait time.Duration

	Runs    int       // runs that this instance works on
	LastRun time.Time // when this instance started its last run; zero = never

	Unusable    bool      // the folders cannot be used now
	LastFault   string    // why they could not be used the last time; empty = there was no fault
	LastFaultAt time.Time // when that began
}

// Status returns the state of all hot folders, ordered by client service. It is safe for concurrent
// use.
func (e *Engine) Status() []Status { return e.metrics.board.list() }

// board holds the state of all hot folders. The zero value is empty. It is safe for concurrent use.
type board struct {
	mu   sync.Mutex
	byID map[string]*Status
}

// change changes the state of a client service.
func (b *board) change(client string, f func(*Status)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.byID == nil {
		b.byID = make(map[string]*Status)
	}
	s := b.byID[client]
	if s == nil {
		s = &Status{ClientService: client}
		b.byID[client] = s
	}
	f(s)
}

// remove removes a client service that has no hot folder any more.
func (b *board) remove(client string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.byID, client)
}

func (b *board) list() []Status {
	b.mu.Lock()
	defer b.mu.Unlock()
	list := make([]Status, 0, len(b.byID))
	for _, s := range b.byID {
		list = append(list, *s)
	}
	slices.SortFunc(list, func(x, y Status) int { return strings.Compare(x.ClientService, y.ClientService) })
	return list
}

// fault sets whether the folders can be used; nil = they can.
func (b *board) fault(client string, err error, now time.Time) {
	b.change(client, func(s *Status) {
		if err != nil && (!s.Unusable || s.LastFault != err.Error()) {
			s.LastFault, s.LastFaultAt = err.Error(), now
		}
		s.Unusable = err != nil
	})
}
