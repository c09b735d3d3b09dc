package signing

import "sync"

// waiters are the calls of Service.Wait that wait for the end of an operation. It is safe for
// concurrent use.
type waiters struct {
	mu    sync.Mutex
	ended map[ID]chan struct{} // closed when the operation has ended
}

func newWaiters() *waiters { return &waiters{ended: make(map[ID]chan struct{})} }

// wait returns a channel that is closed when wake is called for the operation.
func (w *waiters) wait(id ID) <-chan struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	ended, ok := w.ended[id]
	if !ok {
		ended = make(chan struct{})
		w.ended[id] = ended
	}
	return ended
}

// wake notifies everybody who waits for the operation.
func (w *waiters) wake(id ID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if ended, ok := w.ended[id]; ok {
		close(ended)
		delete(w.ended, id)
	}
}
