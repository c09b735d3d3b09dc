package keyhome_test

import (
	"context"
	"errors"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/keyhome"
)

// answer is what a client gets for a request with a key.
type answer struct {
	status  string // accepted, refused, differs, invalid
	op      *operation
	missing int  // with refused: the instance that did not answer; -1 = not known
	owner   bool // the missing instance is the owner of the key
}

// post handles a request with a key, as pkg/api does. forwarded says that a peer sent it.
func (p *process) post(k keyhome.Key, print keyhome.Fingerprint, forwarded bool) (answer, error) {
	ctx, f := context.Background(), p.fleet
	if op := p.volume.ops[k]; op != nil {
		return op.replay(print), nil
	}
	if p.stops {
		return answer{status: "refused", missing: p.ordinal, owner: true}, nil
	}
	p.reading[k]++
	defer func() { p.reading[k]-- }()
	if p.legacy {
		return p.postLegacy(k, print, forwarded)
	}
	if forwarded && f.omit&keyhome.RuleClaimBeforeCreate != 0 {
		return p.create(k, print, nil), nil
	}
	hold, err := p.home.Acquire(ctx, k, print)
	created := false
	defer func() {
		if !p.dead {
			hold.Done(ctx, created)
		}
	}()
	switch {
	case err != nil:
		return answer{}, err
	case hold.Outcome == keyhome.Forward && !forwarded:
		return p.forward(hold.Owner, k, print), nil
	case hold.Outcome == keyhome.Forward: // the claim has got another owner since the request was forwarded
		return answer{status: "moved", owner: true, missing: hold.Owner}, nil
	case hold.Outcome != keyhome.Create:
		return answer{status: "refused", missing: hold.Missing}, nil
	}
	p.granted[k]++
	defer func() {
		if p.granted[k]--; p.granted[k] == 0 {
			delete(p.granted, k)
		}
	}()
	if hold.AskAll {
		return p.createOldWay(hold, k, print, &created)
	}
	return p.create(k, print, &created), nil
}

// createOldWay creates the operation unless another instance knows the key, which is asked in the
// old way.
func (p *process) createOldWay(
	hold *keyhome.Hold, k keyhome.Key, print keyhome.Fingerprint, created *bool,
) (answer, error) {
	owner, certain := p.askAll(k)
	switch {
	case !certain:
		return answer{status: "refused", missing: -1}, nil
	case owner >= 0:
		return p.forward(owner, k, print), nil
	}
	if alone, err := hold.AskedAll(context.Background()); err != nil || !alone {
		return answer{status: "refused", missing: -1}, err
	}
	return p.create(k, print, created), nil
}

// postLegacy is post of a release without key homes.
func (p *process) postLegacy(k keyhome.Key, print keyhome.Fingerprint, forwarded bool) (answer, error) {
	if !forwarded {
		owner, certain := p.askAll(k)
		if !certain {
			return answer{status: "refused", missing: -1}, nil
		}
		if owner >= 0 {
			return p.forward(owner, k, print), nil
		}
	}
	return p.create(k, print, nil), nil
}

// errReading is the answer to an old question while a request with the key is being read.
var errReading = errors.New("a request is being read")

// askAll asks all other expected instances in the old way. owner is -1 if none knows the key.
func (p *process) askAll(k keyhome.Key) (owner int, certain bool) {
	for _, o := range p.view.All() {
		if o == p.ordinal {
			continue
		}
		holds, err := call(
			p.fleet.world,
			patience,
			func() *process { return p.fleet.reach(p, o) },
			func(q *process) (string, error) {
				switch {
				case q.volume.ops[k] != nil:
					return "holds", nil
				case q.reading[k] > 0:
					return "reads", nil
				}
				return "no", nil
			},
		)
		switch {
		case err != nil || holds == "reads":
			return -1, false
		case holds == "holds":
			return o, true
		}
	}
	return -1, true
}

func (p *process) forward(owner int, k keyhome.Key, print keyhome.Fingerprint) answer {
	p.reading[k]-- // this request creates nothing here, so the owner need not wait for it
	defer func() { p.reading[k]++ }()
	target := func() *process { return p.fleet.reach(p, owner) }
	got, err := call(p.fleet.world, 20*patience, target, func(q *process) (answer, error) {
		return q.post(k, print, true)
	})
	if err != nil {
		f := p.fleet
		f.trace("%d got no answer from owner %d: %v", p.ordinal, owner, err)
		return answer{status: "refused", missing: owner, owner: true}
	}
	return got
}

// create reads the request, which takes a while and may fail, and makes the operation durable.
func (p *process) create(k keyhome.Key, print keyhome.Fingerprint, created *bool) answer {
	f := p.fleet
	_ = f.Sleep(context.Background(), f.upTo(20*time.Millisecond))
	f.step()
	if op := p.volume.ops[k]; op != nil {
		return op.replay(print)
	}
	for o, v := range f.volumes {
		if v == nil || v.ops[k] == nil || v.parked && f.expired(v.ops[k]) {
			continue // the claims of an instance that was removed expire
		}
		if !f.excused[k] {
			f.fault("key %v: instance %d creates an operation although %d holds %d", k, p.ordinal, o, v.ops[k].id)
		}
	}
	if f.chance(0.1) {
		return answer{status: "invalid"}
	}
	f.serial++
	op := &operation{id: f.serial, owner: p.ordinal, print: print, created: f.now}
	p.volume.ops[k] = op
	if created != nil {
		*created = true
	}
	f.trace("%d creates operation %d for %v", p.ordinal, op.id, k)
	f.step()
	return answer{status: "accepted", op: op}
}

func (op *operation) replay(print keyhome.Fingerprint) answer {
	if op.print != print {
		return answer{status: "differs", op: op}
	}
	return answer{status: "accepted", op: op}
}
