package signing

const (
	// maxActive is how many operations of one class are worked on at the same time. It lets a thousand
	// requests of one document share remote calls. An active operation takes a few kilobytes of
	// memory.
	maxActive = 1024
	// maxActiveOwn is how many operations of each client service may run even if others have reached
	// maxActive. So the backlog of one client service at a slow service does not stop others from
	// signing at another service.
	maxActiveOwn = 16
)

// readyOperations are the operations that may be started now or are running. Operations with a
// waiting client have a class of their own, so that they never wait behind a large batch.
type readyOperations struct {
	withClient    readyClass // a client waits
	withoutClient readyClass // no client waits
}

func (r *readyOperations) classOf(e entry) *readyClass {
	if e.waiting {
		return &r.withClient
	}
	return &r.withoutClient
}

// take removes and starts the next operation that may run. Operations with a waiting client go
// first. It returns false if there is none.
func (r *readyOperations) take() (entry, bool) {
	if e, ok := r.withClient.take(); ok {
		return e, true
	}
	return r.withoutClient.take()
}

// running returns how many operations are being worked on.
func (r *readyOperations) running() int { return r.withClient.running + r.withoutClient.running }

// readyClass are the ready operations of one class. Each client service has a line of its own.
type readyClass struct {
	lines    roundRobin[string, entry] // by client service; not started
	running  int
	byClient map[string]int // part of running, by client service
}

func (c *readyClass) push(e entry) { c.lines.push(e.clientService, e) }

// size returns how many operations have not been started.
func (c *readyClass) size() int { return c.lines.n }

// take removes and starts the next operation that may run. It returns false if there is none.
func (c *readyClass) take() (entry, bool) {
	e, ok := c.lines.take(func(client string) bool {
		return c.running < maxActive || c.byClient[client] < maxActiveOwn
	})
	if ok {
		if c.byClient == nil {
			c.byClient = make(map[string]int)
		}
		c.running++
		c.byClient[e.clientService]++
	}
	return e, ok
}

// finish says that work on an operation that take has started is over.
func (c *readyClass) finish(e entry) {
	c.running--
	if c.byClient[e.clientService]--; c.byClient[e.clientService] == 0 {
		delete(c.byClient, e.clientService)
	}
}
