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
	underWay map[signing.ID]string // operations with a callback under way, and their client services
	byClient map[string]int        // callbacks under way, by client service
	// waiting are the due operations whose client service has no free place, so that no operation is
	// read twice.
	waiting map[signing.ID]string
}

// end frees the place of a callback that has ended.
func (p *pool) end(id signing.ID) {
	client := p.underWay[id]
	delete(p.underWay, id)
	if p.byClient[client]--; p.byClient[client] == 0 {
		delete(p.byClient, client)
	}
}

// start begins the callbacks that are due, as long as there are free places.
func (p *pool) start(ctx context.Context) {
	for look := leastLook; len(p.underWay) < atOnce && ctx.Err() == nil; look *= 4 {
		list, err := p.n.cfg.Queue.Callbacks(ctx, look)
		if err != nil {
			if ctx.Err() == nil {
				p.n.cfg.Log.Error(err, "could not read callbacks")
			}
			return
		}
		if complete := p.begin(ctx, list); complete || len(list) < look || look >= mostLook {
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
		if c.Next.After(now) || len(p.underWay) >= atOnce {
			return true
		}
		if _, ok := p.underWay[c.Operation]; ok {
			continue
		}
		client, known := p.waiting[c.Operation]
		if known && p.byClient[client] >= clientAtOnce {
			waiting[c.Operation] = client
			continue
		}
		op, err := p.n.cfg.Queue.Operation(ctx, c.Operation)
		if p.byClient[op.ClientService] >= clientAtOnce {
			waiting[c.Operation] = op.ClientService
			continue
		}
		p.underWay[c.Operation] = op.ClientService
		p.byClient[op.ClientService]++
		p.all.Go(func() {
			p.n.one(ctx, c, op, err)
			p.ended <- c.Operation
		})
	}
	return false
}
