package store

import (
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// earlierIDs counts requests for ids that this ordinal created before its state folder was made.
// The sequence numbers of a new folder start at the clock in milliseconds, so an older id shows
// that there was another folder: either the volume is new although the ordinal is not, or the state
// was thrown away. No other part of an installation can tell, because the controller's directory
// lists the present pods only. It is safe for concurrent use.
type earlierIDs struct {
	ordinal int
	created time.Time // of the state folder
	log     logr.Logger

	count  atomic.Int64
	warned atomic.Bool
}

// firstRelease is earlier than every real id, so that ids that a client invents do not count.
var firstRelease = time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)

const earlierIDWarning = "WARNING: a client asked for an operation that this instance created before " +
	"its state folder was made: the volume is new, or the state was thrown away, and the operations before are lost"

// note counts id, which was requested and does not exist, if it is an earlier one. The first one is
// logged.
func (e *earlierIDs) note(id signing.ID) {
	n := id.Sequence()
	if id.Ordinal() != e.ordinal || n < firstRelease.UnixMilli() || n >= e.created.UnixMilli() {
		return
	}
	e.count.Add(1)
	if e.warned.CompareAndSwap(false, true) {
		e.log.Info(earlierIDWarning, "operation", id, "created", e.created.Format(time.RFC3339))
	}
}
