package store

import (
	"sync/atomic"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// earlierIDs counts ids that this ordinal gave out before its state folder was made. Sequence
// numbers begin at the clock of a new folder, in milliseconds, so an id says that there was another
// folder: the volume is new although the ordinal is not, or the state was thrown away. No other
// part of an installation knows that for sure: the controller's directory holds the pods of now
// alone.
type earlierIDs struct {
	count  atomic.Int64
	warned atomic.Bool
}

// firstRelease is before every id that there is, so that ids made up by a client are not taken for
// earlier ones.
var firstRelease = time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)

// noteEarlier notes an id that was asked for and is not here.
func (s *Store) noteEarlier(id signing.ID) {
	n := id.Sequence()
	if id.Ordinal() != s.cfg.Ordinal || n < firstRelease.UnixMilli() || n >= s.folder.Created.UnixMilli() {
		return
	}
	s.earlier.count.Add(1)
	if s.earlier.warned.CompareAndSwap(false, true) {
		s.log.Info(
			"WARNING: an operation was asked for that this instance had before its state folder was made: the volume is new, or the state was thrown away, and what it held is lost",
			"operation",
			id,
			"created",
			s.folder.Created.Format(time.RFC3339),
		)
	}
}
