package signing

import "slices"

const (
	// maxActive is how many operations are worked on at a time, for waiting clients and for the others
	// each. It lets a thousand requests of one document share remote calls; what an active operation
	// holds in memory is a few kilobytes.
	maxActive = 1024
	// ownActive is how many of each client service are, whatever others have: the backlog of one at a
	// slow service keeps nobody from signing at another.
	ownActive = 16
)

// lane is the operations of one kind, somebody waits for them or nobody does: a line for each
// client service, served in turn.
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

// waiting is how many operations nobody works on.
func (l *lane) waiting() (n int) {
	for _, line := range l.lines {
		n += len(line)
	}
	return n
}

// take starts the next operation that may run.
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

// done says that an operation that take started is not being worked on any more.
func (l *lane) done(e entry) {
	l.running--
	if l.active[e.clientService]--; l.active[e.clientService] == 0 {
		delete(l.active, e.clientService)
	}
}
