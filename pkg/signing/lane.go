package signing

import "slices"

const (
	// maxActive is how many operations of one lane are worked on at the same time. There is one lane
	// for waiting clients and one for the others. It lets a thousand requests of one document share
	// remote calls. An active operation holds a few kilobytes in memory.
	maxActive = 1024
	// ownActive is how many operations of each client service may run, however many others run. So the
	// backlog of one client service at a slow service does not stop others from signing at another
	// service.
	ownActive = 16
)

// lane holds the operations of one kind: those that somebody waits for, or the others. Each client
// service has a line of its own, and the lines are served in turn. queue.mu guards it.
type lane struct {
	lines   map[string][]entry
	order   []string // client services that have a line
	turn    int
	running int
	active  map[string]int // running, by client service
}

func newLane() lane { return lane{lines: make(map[string][]entry), active: make(map[string]int)} }

func (l *lane) push(e entry) {
	if len(l.lines[e.clientService]) == 0 {
		l.order = append(l.order, e.clientService)
	}
	l.lines[e.clientService] = append(l.lines[e.clientService], e)
}

// waiting returns how many operations have not been started.
func (l *lane) waiting() (n int) {
	for _, line := range l.lines {
		n += len(line)
	}
	return n
}

// take removes and starts the next operation that may run. It returns false if there is none.
func (l *lane) take() (entry, bool) {
	for range len(l.order) {
		l.turn %= len(l.order)
		client := l.order[l.turn]
		if l.running >= maxActive && l.active[client] >= ownActive {
			l.turn++
			continue
		}
		line := l.lines[client]
		if len(line) == 1 {
			delete(l.lines, client)
			l.order = slices.Delete(l.order, l.turn, l.turn+1) // the next one moves into this turn
		} else {
			l.lines[client] = line[1:]
			l.turn++
		}
		l.running++
		l.active[client]++
		return line[0], true
	}
	return entry{}, false
}

// done says that work on an operation that take has started is over.
func (l *lane) done(e entry) {
	l.running--
	if l.active[e.clientService]--; l.active[e.clientService] == 0 {
		delete(l.active, e.clientService)
	}
}
