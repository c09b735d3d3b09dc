package hotfolder

import (
	"context"
	"errors"
	"io"
	"iter"
	"time"
)

// Storage is the input, the output and the backup folder of one client service. Several instances
// use the same folders at the same time, each with its own Storage that knows the ordinal of its
// instance.
//
// Names are the bytes of a file's name in the folder, or of an object's key after the prefix. They
// may hold line breaks and need not be UTF-8. A Storage never changes a name, never follows a
// symbolic link and never leaves its folders. It never replaces or loses a file of somebody else.
//
// A change is durable when its method returns without error. After an error the change may or may
// not have happened. Every method may be called again after an error and after a crash, with the
// same arguments: it completes what an earlier call left. Methods with a slice return one error for
// each element, in the same order; nil stands for a slice of nil errors. They share the cost of
// durability among the elements. All methods are safe for concurrent use, except that one claim is
// worked on by one goroutine at a time.
//
// The errors below are in the chain where a method names them. Any other error means that the
// folder cannot be used at the moment, or that the one file cannot. It says which.
type Storage interface {
	Input
	Claims
	Owners
	Results

	// Check examines the three folders: whether they exist, are different and writable, what the file
	// system or the bucket can do, how much room is left, and whether its clock agrees with ours. It
	// may write and remove small files of its own. It returns all findings, the good ones too.
	Check(ctx context.Context) []Finding
	// Close ends what the Storage runs in the background. It changes no file.
	Close() error
}

// Errors of a Storage.
var (
	// ErrGone means that the file or the run is not there any more: another instance was faster, or
	// its owner has removed it. This is normal.
	ErrGone = errors.New("file is gone")
	// ErrChanged means that the file is not the version that was listed or claimed.
	ErrChanged = errors.New("file has changed")
	// ErrInUse means that somebody writes or locks the file. The caller tries again later.
	ErrInUse = errors.New("file is in use")
	// ErrUnreadable means that one file cannot be read: there is no right to, or the disk has lost it.
	ErrUnreadable = errors.New("file cannot be read")
	// ErrFormerOutput means that the delivery of a claim began to an output folder that is not
	// configured any more and cannot be used. The result waits there.
	ErrFormerOutput = errors.New("the delivery began to an output folder that cannot be used")
	// ErrExists means that a file has that name, and that the method must not choose another name.
	ErrExists = errors.New("name is taken")
	// ErrLost means that the claim belongs to another instance now. The caller drops its work on it.
	ErrLost = errors.New("claim was taken over by another instance")
)

// Input lists an input folder.
type Input interface {
	// List yields everything in the input folder in an unknown order, except what belongs to the
	// Storage itself (".signstash"). It holds a bounded part of the list in memory. Files that appear
	// or disappear meanwhile may be missing. It yields an error as the last element if the folder
	// cannot be read to its end.
	List(ctx context.Context) iter.Seq2[Entry, error]
	// Stat returns the current state of one name. ErrGone if it does not exist.
	Stat(ctx context.Context, name string) (Entry, error)
	// Wake receives a value when the input folder may have changed. Values are hints: they may be lost
	// or come without a reason. Nil = the Storage has no hints, and the folder must be polled.
	Wake() <-chan struct{}
}

// Entry is a name in an input folder.
type Entry struct {
	Name     string
	Size     int64     // bytes
	Modified time.Time // by the clock of the storage
	// Version identifies the content and is compared with ==. A local file has inode, size and mtime
	// in it, an object its ETag or version id.
	Version string
	Arrival Arrival
	// Irregular says what the entry is if it is no regular file, such as "symbolic link". It is never
	// opened or claimed. Empty = regular. Unexamined = nothing is known but the name.
	Irregular string
	// Unread asks Claim to claim the file although it cannot be read, so that it can fail.
	Unread bool
}

// Unexamined is the value of Entry.Irregular of a file that the file system cannot describe.
const Unexamined = "file that cannot be examined"

// Arrival is what a Storage knows of how a file got its name and content. It may forget it.
type Arrival int

// The arrivals.
const (
	ArrivalUnknown Arrival = iota // complete when it did not change for the stability delay
	ArrivalClosed                 // its writer closed it; complete when it did not change for a second
	ArrivalWhole                  // it came by a rename or is an object: complete at once
)

// Run is a set of claims: the files of one operation.
type Run struct {
	Owner int    // ordinal of the instance that works on it
	ID    string // UUID; names the sub-folders of output and backup
}

// Claim is a file that an instance has taken out of the input folder.
type Claim struct {
	Run
	Name      string
	Size      int64     // bytes
	Modified  time.Time // of the claimed version
	Delivered bool      // Deliver has begun: the results are fixed and must not be made again
}

// Owner is an instance that holds claims.
type Owner struct {
	Ordinal int
	// Renewed is when the instance called Renew, by the clock of the storage at that time. If it has
	// never called it, it is the time of its oldest claim.
	Renewed time.Time
	// Silent is the time since the instance called Renew, by the clock of the storage. If it has never
	// called it, it is the age of its oldest claim.
	Silent time.Duration
}

// MaxNoteBytes is the length of the longest text for Claims.Note.
const MaxNoteBytes = 64 << 10

// Claims takes files out of an input folder and keeps who works on them.
type Claims interface {
	// Claim takes files out of the input folder into a run of this instance. Among all instances one
	// gets a file, and the others get ErrGone. Exactly the version of the Entry is claimed. If the
	// file has another version, the error is ErrChanged and the file stays in the input folder, or is
	// put back there. ErrInUse if it can be seen that somebody has the file open for writing.
	// ErrUnreadable, unless Entry.Unread is set. After any error the file is not claimed, or it is
	// found by Claimed.
	Claim(ctx context.Context, run Run, files []Entry) []error
	// Open opens the claimed version of a file for reading. ErrChanged if the content is another one,
	// ErrLost, ErrInUse, ErrUnreadable. Reads may return ErrUnreadable too.
	Open(ctx context.Context, c Claim) (File, error)
	// PutBack gives a file that is not Delivered back to the input folder. ErrExists if a new file has
	// its name there: then the claim stays. ErrLost.
	PutBack(ctx context.Context, c Claim) error

	// Note keeps a text of at most MaxNoteBytes with a run of this instance, and replaces an earlier
	// one with that key. A key has letters, digits and "-". The run need not have claims yet. The text
	// stays until the run is released. ErrLost may be returned.
	Note(ctx context.Context, run Run, key string, text []byte) error
	// Noted returns a text that any owner of the run has noted; nil = none. ErrLost.
	Noted(ctx context.Context, run Run, key string) ([]byte, error)

	// Claimed lists the claims of a run in an unknown order. It yields nothing if the run does not
	// exist or belongs to another owner now.
	Claimed(ctx context.Context, run Run) iter.Seq2[Claim, error]
	// Release removes a run that has no claims any more, with everything that the Storage keeps for
	// it. It is no error if the run does not exist. ErrExists if it has claims.
	Release(ctx context.Context, run Run) error
}

// Owners says which instances hold claims, and moves claims between them.
type Owners interface {
	// Owners lists the instances that hold claims, in an unknown order, with this one.
	Owners(ctx context.Context) ([]Owner, error)
	// Runs lists the runs of an owner that are not released.
	Runs(ctx context.Context, owner int) iter.Seq2[Run, error]
	// TakeOver makes this instance the owner of a run with all its claims, and returns the run with
	// its new owner. One instance succeeds. The others get ErrGone. If the former owner still works,
	// its methods return ErrLost from now on.
	TakeOver(ctx context.Context, run Run) (Run, error)
	// Renew tells other instances that this one works on its claims.
	Renew(ctx context.Context) error
}

// File is a claimed file that is open. It is safe for concurrent use.
type File interface {
	io.ReaderAt
	io.Closer
	Size() int64
	// Unchanged returns ErrChanged if the file is not the claimed version any more. A caller that has
	// read the file calls it afterwards. Reads may return ErrChanged too.
	Unchanged() error
}

// Results delivers the results of claims.
//
// Each claim is delivered in these steps: Stage all files of the result, Deliver, Backup. Consumers
// see nothing before Deliver. Deliver first records durably that the claim is delivered, and then
// shows the staged files. So, after a crash, a file that was shown before is never shown a second
// time, also if a consumer has removed it meanwhile.
type Results interface {
	// Stage writes a file of the result of a claim, so that nobody sees it yet. Its name in the output
	// folder will be name. index orders the files of a claim, from 0 to 9. An earlier file with the
	// same claim and index, which this instance staged, is replaced. It streams content with bounded
	// memory. An error of content is returned unchanged or wrapped. ErrLost may be returned.
	Stage(ctx context.Context, c Claim, index int, name string, content io.Reader) error
	// Deliver shows the staged files of claims of one run in the output folder, in the order of their
	// index: in the sub-folder of the run, or in the output folder itself with a flat layout. It never
	// replaces a file: if a name is taken, a number is put before its extension. Each file is shown
	// complete and at most once. For a claim with Delivered set, and for one whose delivery another
	// owner began, it shows only what is left of the files that were staged by whoever began the
	// delivery, in the output folder that was configured then. ErrLost, ErrFormerOutput.
	Deliver(ctx context.Context, run Run, claims []Claim) []error
	// Backup moves claimed files of one run to the backup folder and ends their claims. Files that
	// are written beside them come first. It replaces no file, as Deliver. ErrLost.
	Backup(ctx context.Context, run Run, files []BackupFile) []error
}

// BackupFile is a claim that ends.
type BackupFile struct {
	Claim
	// Beside are small files that are written beside it, by name.
	Beside map[string][]byte
	// Discard says that the file is deleted, instead of moved to the backup folder.
	Discard bool
}

// Finding is one result of Storage.Check.
type Finding struct {
	Folder string // "input", "output" or "backup"
	What   string // such as "write access", "file system", "free room"
	OK     bool
	Detail string // one sentence
}
