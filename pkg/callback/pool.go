package callback

import (
	"context"
	"sync"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
	"github.com/signstash-proxy/signstash-proxy/pkg/store"
)

// pool is what is under way. It belongs to the goroutine of Run.
type pool struct {
	n        *Notifier
	all      sync.WaitGroup
	ended    chan signing.ID
	underWay map[signing.ID]string // client services
	byClient map[string]int        // how many are under way
	// client services of those that were looked at and not begun, so that no operation is read twice
	waiting map[signing.ID]string
}

// end gives the place of a callback back.
func (p *pool) end(id signing.ID) {
	client := p.underWay[id]
	delete(p.underWay, id)
	if p.byClient[client]--; p.byClient[client] == 0 {
		delete(p.byClient, client)
	}
}

// start begins what is due and has a place.
func (p *pool) start(ctx context.Context) {
	for look := leastLook; len(p.underWay) < atOnce && ctx.Err() == nil; look *= 4 {
		list, err := p.n.cfg.Queue.Callbacks(ctx, look)
		if err != nil {
			if ctx.Err() == nil {
				p.n.cfg.Log.Error(err, "callbacks cannot be read")
			}
			return
		}
		if all := p.begin(ctx, list); all || len(list) < look || look >= mostLook {
			return
		}
	}
}

// begin begins those of a list that are due and have a place; all is false where more of the queue
// may be due and have one.
func (p *pool) begin(ctx context.Context, list []store.Callback) (all bool) {
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
