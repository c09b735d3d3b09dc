package directory

import (
	"context"
	"iter"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/hotfolder"
)

// View reads the folders of a client service for an operator. It changes nothing, and the instances
// may run meanwhile. It is safe for concurrent use.
type View interface {
	// List is that of hotfolder.Input.
	List(ctx context.Context) iter.Seq2[hotfolder.Entry, error]
	// Open opens a file of the input folder for reading. hotfolder.ErrGone if it does not exist.
	Open(e hotfolder.Entry) (hotfolder.File, error)
	// Owners lists the instances that hold claims. Silent is by our own clock.
	Owners() ([]hotfolder.Owner, error)
	// Held lists the runs of an owner.
	Held(ctx context.Context, owner int) ([]HeldRun, error)
	// Failures looks into the newest sub-folders of the backup folder, newest first, and returns those
	// with documents that failed. A flat layout has no sub-folders, so it has no failures here.
	Failures(ctx context.Context, newest int) ([]FailedRun, error)
}

// HeldRun is a run that has not ended.
type HeldRun struct {
	hotfolder.Run
	Since     time.Time // when its first file was claimed; zero = it has no files
	Files     int
	Delivered int // how many of them are being delivered
}

// FailedRun is a run with documents that failed. Their originals are in the backup folder.
type FailedRun struct {
	ID    string
	When  time.Time // the last change of its sub-folder
	Files int       // documents that failed
	First string    // the reason of one of them; it may contain line breaks
}

// Retried says what became of a document that failed.
type Retried struct {
	Name string
	Err  error // nil = it is in the input folder again. hotfolder.ErrExists if a file has its name there
}
