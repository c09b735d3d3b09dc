package hotfolder

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/go-logr/logr"

	"github.com/signstash-proxy/signstash-proxy/pkg/clientservice"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// runner works on one run: it submits its files as one operation and delivers the results. It
// begins with what is on disk, so that it does the same for a new run, after a crash and for a run
// that was taken over.
type runner struct {
	cfg     *Config
	log     logr.Logger
	storage Storage
	run     Run
	client  string
	files   *metrics
	unclear bool // sidecars and markers may still be in the input folder
	// final are the names whose content need not have an end, because they have waited too long.
	final map[string]bool
	// read are the claims as they were when their content was read for the operation, by name. After a
	// restart it is empty.
	read map[string]Claim
	// returned is told of a file that goes back to the input folder. incomplete says that its content
	// has no end.
	returned func(name string, incomplete bool)
	turn     *turn
	tell     func() // wakes the goroutine that claims files
}

// item is a claimed file of a run with the files that belong to it.
type item struct {
	Claim
	text    string // stands for the name in the operation
	sidecar *Claim // nil = none
	marker  *Claim // nil = none
	// unsettled says that the file had a sidecar, which is gone. It is not signed without it.
	unsettled bool
	known     bool // Claim describes the version whose content is in the operation
}

// result is the end of an item. Exactly one of signed and failure is set.
type result struct {
	*item
	content *signing.Content // that is in the operation; nil = none
	signed  *signing.Document
	failure *signing.Failure
}

// errAgain says that the run has not ended and must be looked at again.
var errAgain = errors.New("the run has not ended")

// process works on the run until it has ended, is lost, or ctx is done. While it waits after a
// fault, other runs are worked on.
func (r *runner) process(ctx context.Context) {
	defer r.turn.leave()
	last := ""
	for {
		r.turn.enter()
		began := time.Now()
		err := r.attempt(ctx)
		switch {
		case err == nil:
			return
		case errors.Is(err, ErrLost), errors.Is(err, ErrGone):
			r.log.Info("run belongs to another instance now", "run", r.run.ID)
			return
		case ctx.Err() != nil:
			return
		}
		wait, fault := faultDelay, false
		if e := signing.AsError(err); e.Kind == signing.KindBusy {
			wait = max(e.RetryAfter, time.Second)
		} else if errors.Is(err, errAgain) {
			wait = max(resultsEvery-time.Since(began), 0)
		} else if fault = true; err.Error() != last {
			last = err.Error()
			logFault(r.log, err, "run cannot go on; trying again", "run", r.run.ID)
		}
		r.turn.stall(fault)
		if fault {
			r.turn.leave()
			r.tell() // another run may be started
		}
		if !sleep(ctx, wait) {
			return
		}
	}
}

// attempt does what can be done now. It returns nil if the run has ended.
func (r *runner) attempt(ctx context.Context) error {
	items, err := r.load(ctx)
	if err != nil {
		return err
	}
	op, found, err := r.find(ctx)
	if err != nil {
		return err
	}
	if open := r.open(items); !found && len(open) > 0 {
		if open, err = r.claimCompanions(ctx, open); err != nil {
			return err
		}
		client := r.cfg.Clients().Lookup(r.client)
		if client == nil {
			return signing.Errorf(signing.KindConfiguration, "the client service does not exist any more")
		}
		op, found, err = r.submit(ctx, client, open)
		if err != nil {
			return err
		}
		if items, err = r.load(ctx); err != nil {
			return err
		}
	}
	if found {
		r.restore(items)
		err = r.deliver(ctx, op, items)
	} else {
		err = r.finish(ctx, items, nil)
	}
	if err != nil {
		return err
	}
	if err := r.storage.Release(ctx, r.run); err != nil || !found {
		return err
	}
	r.forget(ctx, op)
	return nil
}

// forget removes the operation of a run that has ended. Its results and originals are durable in
// the output and the backup folder, so nothing in the state folder is needed any more. It comes
// after Release, because the operation says which claims were submitted. If the process dies before
// it, retention removes the operation later. An operation with a callback stays, because its
// receiver may ask for it.
func (r *runner) forget(ctx context.Context, op signing.Operation) {
	if op.Callback != "" {
		r.cfg.Service.Fetched(ctx, op.ID)
		return
	}
	err := r.cfg.Service.Remove(context.WithoutCancel(ctx), r.client, op.ID)
	if err != nil && signing.KindOf(err) != signing.KindNotFound {
		r.log.Error(err, "could not remove the operation of a run, it is kept longer", "run", r.run.ID, "operation", op.ID)
	}
}

// restore makes items describe the versions that were read. A listing describes the files as they
// are now, and somebody may have written to them meanwhile.
func (r *runner) restore(items []*item) {
	for _, it := range items {
		if c, ok := r.read[it.Name]; ok {
			it.Size, it.Modified, it.known = c.Size, c.Modified, true
		}
	}
}

// reference returns the external reference of the operation of the run. It exists once in the store
// of an instance, so a run is submitted once.
func (r *runner) reference() string { return "hot/" + r.client + "/" + r.run.ID }

func (r *runner) find(ctx context.Context) (signing.Operation, bool, error) {
	ops, err := r.cfg.Service.FindByReference(ctx, r.client, r.reference())
	if err != nil || len(ops) == 0 {
		return signing.Operation{}, false, err
	}
	return ops[0], true, nil
}

// load reads the claims of the run. Sidecars and markers whose file has ended already are moved to
// the backup folder.
func (r *runner) load(ctx context.Context) ([]*item, error) {
	byName := make(map[string]*item)
	var companions []Claim
	for c, err := range r.storage.Claimed(ctx, r.run) {
		if err != nil {
			return nil, err
		}
		if r.base(c.Name) != "" {
			companions = append(companions, c)
			continue
		}
		byName[c.Name] = &item{Claim: c, text: textOf(c.Name)}
	}
	var left []BackupFile
	for _, c := range companions {
		sidecar := strings.HasSuffix(c.Name, sidecarSuffix)
		switch owner := byName[r.base(c.Name)]; {
		case owner == nil && r.final[c.Name]: // a sidecar whose file never came
			byName[c.Name] = &item{Claim: c, text: textOf(c.Name)}
		case owner == nil:
			left = append(left, BackupFile{Claim: c, Discard: !sidecar})
		case sidecar:
			owner.sidecar = &c
		default:
			owner.marker = &c
		}
	}
	if err := firstOf(r.storage.Backup(ctx, r.run, left)); len(left) > 0 && err != nil {
		return nil, err
	}
	items := make([]*item, 0, len(byName))
	for _, it := range byName {
		items = append(items, it)
	}
	return items, nil
}

// base returns the name of the file that a sidecar or a marker belongs to; empty for other files.
func (r *runner) base(name string) string {
	if base, ok := strings.CutSuffix(name, sidecarSuffix); ok {
		return base
	}
	if r.cfg.DoneSuffix != "" {
		if base, ok := strings.CutSuffix(name, r.cfg.DoneSuffix); ok {
			return base
		}
	}
	return ""
}

// open returns the items whose delivery has not begun.
func (r *runner) open(items []*item) (open []*item) {
	for _, it := range items {
		if !it.Delivered {
			open = append(open, it)
		}
	}
	return open
}

// firstOf returns the first error of a slice that is not nil.
func firstOf(errs []error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// putBack gives a file with what belongs to it back to the input folder. The file comes last, so
// that nobody claims it without its sidecar.
func (r *runner) putBack(ctx context.Context, it *item, incomplete bool) error {
	for _, c := range []*Claim{it.sidecar, it.marker} {
		if c == nil {
			continue
		}
		if err := r.storage.PutBack(ctx, *c); err != nil && !errors.Is(err, ErrExists) && !errors.Is(err, ErrLost) {
			return err
		}
	}
	err := r.storage.PutBack(ctx, it.Claim)
	if err == nil {
		r.returned(it.Name, incomplete)
	}
	return err
}

// atOnce is how many files of a run are written at the same time, so that they share the cost of
// durability.
const atOnce = 8

// forEach calls f for each element, several at a time.
func forEach[T any](list []T, f func(i int, element T)) {
	var all sync.WaitGroup
	slots := make(chan struct{}, atOnce)
	for i, element := range list {
		slots <- struct{}{}
		all.Go(func() {
			defer func() { <-slots }()
			f(i, element)
		})
	}
	all.Wait()
}

// settingsOf returns what a sidecar says; nil = there is no sidecar.
func (r *runner) settingsOf(ctx context.Context, it *item) (*clientservice.Sidecar, error) {
	if it.sidecar == nil {
		return nil, nil
	}
	f, err := r.storage.Open(ctx, *it.sidecar)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	data, err := readRange(f, 0, clientservice.MaxSidecarBytes+1)
	if err != nil {
		return nil, err
	}
	s, err := clientservice.DecodeSidecar(data)
	if err != nil {
		return nil, signing.Errorf(signing.KindInvalid, "%s: %v", textOf(it.sidecar.Name), err)
	}
	return s, nil
}
