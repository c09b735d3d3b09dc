package hotfolder

import (
	"cmp"
	"context"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/signstash-proxy/signstash-proxy/pkg/clientservice"
	"github.com/signstash-proxy/signstash-proxy/pkg/hotfolder/cron"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// Config holds the dependencies and the settings of an Engine. A setting with the zero value gets
// the default that is named beside it.
type Config struct {
	Service Service
	Clients func() *clientservice.Services // the client services in force
	// Open opens the folders of a client service. It is called again after an error.
	Open func(*clientservice.ClientService) (Storage, error)
	// Abandoned looks for input folders with runs that no client service has any more. Nil = not
	// looked for.
	Abandoned func(context.Context, *clientservice.Services) ([]Abandoned, error)
	Ordinal   int // of this instance
	// Expected reports whether an instance with that ordinal exists or may come back. The runs of
	// others are taken over at once. Nil = all may come back.
	Expected func(ordinal int) bool
	// Refusal returns an error while this instance accepts no work, because it stops. Nil = never.
	Refusal    func() error
	Log        logr.Logger
	Registerer prometheus.Registerer // nil = no metrics

	Schedule  *cron.Expression // when the files are counted; nil = never
	Threshold int              // how many complete files start runs at a tick of Schedule; 0 = 1000
	Immediate bool             // start a run as soon as a file is complete
	MaxWait   time.Duration    // after this time a complete file starts a run; 0 = never
	// After this silence the runs of an instance are taken over, and after leastLockTime at the
	// earliest. 0 = 24 h.
	LockTime time.Duration

	Stability       time.Duration // how long a file must not change; 0 = 5 s
	IncompleteAfter time.Duration // after this time an incomplete file fails; 0 = 10 min
	Scan            time.Duration // time between two scans without a reason; 0 = 5 s, or 1 min with hints
	DoneSuffix      string        // a file is complete when a file with this suffix exists; empty = not used
	Ignored         []string      // patterns of names, as in path.Match; nil = DefaultIgnored
	Receipts        bool          // write a receipt beside each result

	MaxFiles         int   // of one run; 0 = 500
	MaxBytes         int64 // of the files of one run, unless it is one file; 0 = 256 MiB
	MaxDocumentBytes int64 // a larger file fails; 0 = 1 GiB
	MaxRuns          int   // of a client service at the same time; 0 = 4
	Window           int   // files of a client service that are remembered; 0 = 10,000
}

// Service is what the engine needs of *signing.Service.
type Service interface {
	Admit(clientService string) error
	NewUpload(ctx context.Context) (signing.Upload, error)
	Submit(ctx context.Context, up signing.Upload, sub signing.Submission) (signing.Operation, bool, error)
	CheckOptions(info signing.SignatureInfo) error
	FindByReference(ctx context.Context, clientService, reference string) ([]signing.Operation, error)
	Wait(ctx context.Context, id signing.ID) (signing.Operation, error)
	Documents(ctx context.Context, id signing.ID, from, limit int) ([]signing.Document, error)
	OpenSigned(ctx context.Context, d signing.Document) (signing.File, error)
	Fetched(ctx context.Context, id signing.ID)
	Remove(ctx context.Context, clientService string, id signing.ID) error
}

// DefaultIgnored are the names of files that are not complete yet, or that no document has.
var DefaultIgnored = []string{".*", "~$*", "*.tmp", "*.part", "*.part.minio", "*.crdownload", "*.filepart", "*.swp",
	"Thumbs.db", ".DS_Store"}

// Times of the engine.
const (
	closedDelay   = time.Second      // a file that was closed must not change for this time
	inUseDelay    = 5 * time.Second  // before a file is claimed again that somebody uses
	faultDelay    = 5 * time.Second  // after a folder could not be used
	renewInterval = time.Minute      // between two calls of Renew; the lock time is hours
	ownersEvery   = time.Minute      // how often other instances are looked for
	clientsEvery  = 5 * time.Second  // how often a change of the client file is looked for
	resultsEvery  = time.Second      // how often results of a run that has not ended are delivered
	hintDelay     = time.Second      // between two scans because of hints: events come in crowds
	hungAfter     = 10 * time.Second // how long folders may take to stop before the others go on without them
	longestSleep  = 30 * time.Second // so that a jump of the wall clock delays a tick by this time at most
)

// leastLockTime is the shortest lock time. An instance that lives renews its claims every
// renewInterval. One renewal may come late or get lost, so that two must be missing.
const leastLockTime = 3 * renewInterval

func (c *Config) setDefaults() {
	c.Threshold = cmp.Or(c.Threshold, 1000)
	c.LockTime = max(cmp.Or(c.LockTime, 24*time.Hour), leastLockTime)
	c.Stability = cmp.Or(c.Stability, 5*time.Second)
	c.IncompleteAfter = cmp.Or(c.IncompleteAfter, 10*time.Minute)
	c.MaxFiles = cmp.Or(c.MaxFiles, 500)
	c.MaxBytes = cmp.Or(c.MaxBytes, 256<<20)
	c.MaxDocumentBytes = cmp.Or(c.MaxDocumentBytes, 1<<30)
	c.MaxRuns = cmp.Or(c.MaxRuns, 4)
	c.Window = cmp.Or(c.Window, 10_000)
	if c.Ignored == nil {
		c.Ignored = DefaultIgnored
	}
}

// waitLimit returns how long a file waits in the input folder at most, if there is room for it. 0 =
// there is no limit, because files below the threshold wait until there are enough.
func (c *Config) waitLimit() time.Duration {
	if !c.Immediate && c.MaxWait == 0 {
		return 0
	}
	return max(c.MaxWait, c.IncompleteAfter)
}

func (c *Config) expected(ordinal int) bool { return c.Expected == nil || c.Expected(ordinal) }

func (c *Config) refusal() error {
	if c.Refusal == nil {
		return nil
	}
	return c.Refusal()
}

// sleep waits for d, and reports whether ctx is still not done.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
