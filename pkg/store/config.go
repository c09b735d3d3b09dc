package store

import (
	"time"

	"github.com/go-logr/logr"
)

// Config is what a Store is made of. Only Folder is needed; zero values of the others mean what
// their comments say.
type Config struct {
	// Folder is the state folder. It is made where it is missing; others may keep their own files in
	// it.
	Folder string
	// Ordinal is the instance's ordinal, 0 to signing.MaxOrdinal: the lowest ten bits of every new ID.
	Ordinal int
	Log     logr.Logger

	Retention Retention

	// Recreate throws operations and documents away at the start (--force.database.recreate). It
	// touches nothing in a folder that no store has made.
	Recreate bool
	// LockWait is how long Open waits for another process to let go of the folder: after a forced
	// deletion the old pod may live a little longer. 0 = 60 s; negative = not at all.
	LockWait time.Duration
	// MinFree is the free space in bytes below which no new upload is taken, so that what was accepted
	// can still be finished. 0 = 64 MiB; negative = no such bound.
	MinFree int64

	// onStep, set by crash tests only, is called between the durable steps of a write.
	onStep func(step string)
	// clock, set by tests only, is the time that retention counts ages with.
	clock clock
}

// Retention says how long ended operations are kept. Operations that have not ended are never
// removed, and those that are being read (Reading) not yet.
type Retention struct {
	// Age is how long an operation is kept after its end. 0 = for ever. What became old because the
	// clock jumped ahead is kept for another day.
	Age time.Duration
	// Fetched is how long an operation is kept once its results were given to its owner in full; 0 =
	// as long as any other.
	Fetched time.Duration
	// MaxBytes bounds what documents, sections and metadata may take together. Close to it operations
	// are removed: of the client services that use most those that ended first, but none within a
	// minute of its end, because somebody may be about to fetch it. A client service that uses no more
	// than an equal share of MaxBytes loses nothing to the others. At MaxBytes, while that does not
	// help, new uploads are refused. 0 = no bound. More than four fifths of the disk is cut to that.
	// On disk up to 9 MiB (SQLite's log) come on top, and the database's free pages: up to a third of
	// what it holds, or 4 MiB.
	MaxBytes int64
}

const (
	defaultLockWait = 60 * time.Second
	defaultMinFree  = 64 << 20

	// busyRetry is what a client is told to wait when the disk is full: space comes back when
	// operations end and are removed.
	busyRetry = 30 * time.Second
)

// step marks a place between the durable steps of a write.
func (c Config) step(name string) {
	if c.onStep != nil {
		c.onStep(name)
	}
}

func (c Config) withDefaults() Config {
	if c.LockWait == 0 {
		c.LockWait = defaultLockWait
	}
	if c.MinFree == 0 {
		c.MinFree = defaultMinFree
	}
	if c.Log.GetSink() == nil {
		c.Log = logr.Discard()
	}
	return c
}
