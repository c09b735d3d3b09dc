package hotfolder

import (
	"context"
	"errors"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/clientservice"
)

// Abandoned is an input folder with runs that is not configured any more. It was the input folder
// of a client service that was removed, or that has another one now.
type Abandoned struct {
	ClientService string // empty = unknown
	Folder        string
	Runs          int // that have not ended
}

// abandonedEvery is how often abandoned folders are looked for while the client services do not
// change. Only an operator ends that state.
const abandonedEvery = 10 * time.Minute

// errAbandoned is the fault of an abandoned folder.
var errAbandoned = errors.New("the folder holds files that nobody works on")

// watchAbandoned looks for abandoned folders when the client services change, until ctx is done. It
// logs each of them once. changes receives a value after each change.
func (e *Engine) watchAbandoned(ctx context.Context, changes <-chan *clientservice.Services) {
	var services *clientservice.Services
	known := make(map[Abandoned]bool) // without the number of runs
	timer := time.NewTimer(abandonedEvery)
	defer timer.Stop()
	for {
		select {
		case services = <-changes:
		case <-timer.C:
		case <-ctx.Done():
			return
		}
		timer.Reset(abandonedEvery)
		list, err := e.cfg.Abandoned(ctx, services)
		if err != nil && ctx.Err() == nil {
			e.cfg.Log.Error(err, "could not look for abandoned hot folders")
		}
		if ctx.Err() != nil || err != nil && len(list) == 0 {
			continue
		}
		e.metrics.abandoned.Reset()
		for _, a := range list {
			e.metrics.abandoned.WithLabelValues(a.ClientService).Add(float64(a.Runs))
			runs := a.Runs
			if a.Runs = 0; !known[a] {
				known[a] = true
				e.cfg.Log.Error(errAbandoned, "hot folder is abandoned; configure it as an input folder again to end its runs",
					"clientService", a.ClientService, "folder", a.Folder, "runs", runs)
			}
		}
	}
}
