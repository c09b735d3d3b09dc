package bucket

import (
	"context"
	"io"
	"time"
)

// store is one bucket. All methods make one attempt or several, within bounded time. Their errors
// have one of the kinds of fault.go in their chain. A store is safe for concurrent use.
type store interface {
	reader
	writer
	shower
	// name returns the name of the bucket, for messages.
	name() string
}

// reader reads objects.
type reader interface {
	// list returns one page of the objects whose key begins with prefix. Keys that contain a slash
	// after the prefix are returned as one folder if flat is set. token is empty for the first page.
	list(ctx context.Context, prefix string, flat bool, token string) (page, error)
	// head returns the current state of an object, with its metadata. errNotFound.
	head(ctx context.Context, key string) (object, error)
	// read fills p with the bytes from offset on. errCondition if the object does not have o.version
	// any more, errNotFound.
	read(ctx context.Context, o object, p []byte, offset int64) error
	// get returns a small object. errNotFound.
	get(ctx context.Context, key string) ([]byte, object, error)
}

// writer writes and removes objects. An object becomes visible with its whole content.
type writer interface {
	// put writes a small object if when holds, and otherwise returns errCondition. An attempt whose
	// answer was lost makes the next attempt fail, so the caller has to look who wrote the object.
	put(ctx context.Context, key string, body []byte, when when) (object, error)
	// upload streams an object with bounded memory, and replaces an earlier one. The key, kind and
	// meta of o are used. An error of content is returned as it is, and then nothing becomes visible.
	upload(ctx context.Context, o object, content io.Reader) (object, error)
	// copy copies from, an answer of head, to key, and replaces an earlier object. The copy keeps the
	// content type and has the metadata meta. errCondition if from has another version now,
	// errNotFound.
	copy(ctx context.Context, key string, from object, meta map[string]string) error
	// remove deletes an object if it still has o.version. errCondition if it has another one. It is
	// no error if the object does not exist. An empty version deletes any.
	remove(ctx context.Context, o object) error
}

// shower copies an object in two steps. After the first step the copy is durable but invisible.
// The second step shows it, once: the store itself remembers whether it was done, so the copy does
// not come back after its consumer has removed it.
type shower interface {
	// prepare copies from, an answer of head, to an invisible object, and returns a ticket. The copy
	// keeps the content type and has the metadata meta. errCondition if from has another version now,
	// errNotFound.
	prepare(ctx context.Context, key string, from object, meta map[string]string) (ticket, error)
	// show makes the copy visible under key. It returns nil if an earlier call has done so. It never
	// replaces an object: errCondition means that the name is taken. errVanished if neither the copy
	// nor an object exists: the copy was shown and its consumer has removed it, or the store has
	// removed the copy because nobody showed it for days.
	show(ctx context.Context, key string, t ticket) error
	// abandon removes what prepare has made. It reports no error, because the store removes what is
	// left after some days.
	abandon(ctx context.Context, key string, t ticket)
}

// object is an object as a listing or another answer described it.
type object struct {
	key      string
	size     int64
	modified time.Time // by the clock of the store, to the second
	version  string    // ETag or generation; changes with the content
	kind     string    // content type; only from head
	meta     map[string]string
	folder   bool // key is a common prefix, with its slash at the end
}

// page is one page of a listing.
type page struct {
	objects []object
	next    string    // token of the next page; empty = last
	now     time.Time // clock of the store; zero if it is unknown
}

// when is the condition of a write. The zero value is no condition.
type when struct {
	absent  bool   // the object does not exist
	version string // the object has this version
}

// ticket names an invisible copy. It is stored in the bucket, as JSON.
type ticket struct {
	Upload string            `json:"upload,omitempty"` // what the store calls the copy
	Parts  []string          `json:"parts,omitempty"`  // the versions or names of its parts
	Kind   string            `json:"kind,omitempty"`   // content type, if show has to send it
	Meta   map[string]string `json:"meta,omitempty"`   // metadata, if show has to send or compare it

	// The original, if show has to send its last bytes, from Sent on.
	From    []byte `json:"from,omitempty"`
	Version string `json:"version,omitempty"`
	Size    int64  `json:"size,omitempty"`
	Sent    int64  `json:"sent,omitempty"`
}

// ticketID is the key of the metadata by which show recognizes an object that it has shown.
const ticketID = "signstashticket"

// Sizes that bound the memory for one stream.
const (
	partBytes   = 8 << 20   // one part of an upload; 10,000 of them are 78 GiB
	windowBytes = 1 << 20   // one range of a document that is read
	smallBytes  = 256 << 10 // largest object that get returns: our own records
)
