package store

import (
	"time"

	"github.com/go-logr/logr"
)

// Config says how to open a Store. Only Folder is required. The zero value of each other field
// means what its comment says.
type Config struct {
	// Folder is the state folder. Open creates it if it is missing. Other parts of the program may
	// keep their own files in it.
	Folder string
	// Ordinal is the ordinal of the instance, 0 to signing.MaxOrdinal. It is the lowest ten bits of
	// every new ID.
	Ordinal int
	Log     logr.Logger

	Retention Retention

	// Recreate throws operations and documents away at the start (--force.database.recreate). It
	// touches nothing in a folder that no store has made.
	Recreate bool
	// LockWait is how long Open waits for another process to release the folder, because after a
	// forced deletion the old pod may live a little longer. 0 = 60 s; negative = Open does not wait.
	LockWait time.Duration
	// MinFree is the free space in bytes below which no new upload is accepted, so that operations
	// that were accepted can still be finished. 0 = 64 MiB; negative = no such bound.
	MinFree int64

	// onStep is called between the durable steps of a write. Only crash tests set it.
	onStep func(step string)
	// clock is the time that retention counts ages with. Only tests set it.
	clock clock
}

// Retention says how long ended operations are kept. Operations that have not ended are never
// removed. Operations that are being read (Reading) are removed later.
type Retention struct {
	// Age is how long an operation is kept after its end. 0 = for ever. An operation that is this old
	// only because the clock jumped ahead is kept for another day.
	Age time.Duration
	// Fetched is how long an operation is kept after its owner has received its complete results. 0 =
	// as long as any other operation.
	Fetched time.Duration
	// MaxBytes bounds the sum of documents, sections and metadata in bytes. 0 = no bound. A bound
	// above four fifths of the disk counts as four fifths of the disk.
	//
	// Close to the bound the store removes operations of the client services that use most, starting
	// with those that ended first. It removes none within a minute of its end, because its owner may
	// be about to fetch it. A client service that uses no more than an equal share of MaxBytes loses
	// nothing to the others. While nothing can be removed at the bound, new uploads are refused.
	//
	// On disk up to 9 MiB (SQLite's WAL) come on top, and the free pages of the database: up to a
	// third of what it holds, or 4 MiB.
	MaxBytes int64
}

const (
	defaultLockWait = 60 * time.Second
	defaultMinFree  = 64 << 20

	// busyRetry is the Retry-After that clients get when the disk is full. Space is freed when
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
