package callback

import (
	"context"
	"sync"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// pool makes several callbacks at a time. Only the goroutine of Run uses it.
type pool struct {
	n        *Notifier
	all      sync.WaitGroup
	ended    chan signing.ID
	running  map[signing.ID]string // operations with a running callback, and their client services
	byClient map[string]int        // running callbacks, by client service
	// waiting are the due operations whose client service has no free place, so that no operation is
	// read twice.
	waiting map[signing.ID]string
}

// end frees the place of a callback that has ended.
func (p *pool) end(id signing.ID) {
	client := p.running[id]
	delete(p.running, id)
	if p.byClient[client]--; p.byClient[client] == 0 {
		delete(p.byClient, client)
	}
}

// start begins the callbacks that are due, as long as there are free places.
func (p *pool) start(ctx context.Context) {
	for limit := minRead; len(p.running) < maxCalls && ctx.Err() == nil; limit *= 4 {
		list, err := p.n.cfg.Queue.Callbacks(ctx, limit)
		if err != nil {
			if ctx.Err() == nil {
				p.n.cfg.Log.Error(err, "could not read callbacks")
			}
			return
		}
		if complete := p.begin(ctx, list); complete || len(list) < limit || limit >= maxRead {
			return
		}
	}
}

// begin begins the callbacks of list that are due and have a free place. It returns false if
// further callbacks of the queue may be due and have a free place.
func (p *pool) begin(ctx context.Context, list []signing.Callback) (complete bool) {
	now := time.Now()
	waiting := make(map[signing.ID]string)
	defer func() { p.waiting = waiting }()
	for _, c := range list {
		if c.Next.After(now) || len(p.running) >= maxCalls {
			return true
		}
		if _, ok := p.running[c.Operation]; ok {
			continue
		}
		client, known := p.waiting[c.Operation]
		if known && p.byClient[client] >= maxClientCalls {
			waiting[c.Operation] = client
			continue
		}
		op, err := p.n.cfg.Queue.Operation(ctx, c.Operation)
		if p.byClient[op.ClientService] >= maxClientCalls {
			waiting[c.Operation] = op.ClientService
			continue
		}
		p.running[c.Operation] = op.ClientService
		p.byClient[op.ClientService]++
		p.all.Go(func() {
			p.n.one(ctx, c, op, err)
			p.ended <- c.Operation
		})
	}
	return false
}
