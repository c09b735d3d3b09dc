package store

import (
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// earlierIDs counts requests for operation ids that an instance with this ordinal created before
// the present state folder existed. The sequence numbers of a new folder start at the current time
// in milliseconds. So an older id shows that there was another folder, and that its operations are
// lost: the volume was replaced, or the state was removed. No other part of an installation can
// detect this, because the controller's directory lists only the pods that exist now. It is safe
// for concurrent use.
type earlierIDs struct {
	ordinal int
	created time.Time // of the state folder
	log     logr.Logger

	count  atomic.Int64
	warned atomic.Bool
}

// firstRelease is the date of the first release. An id with an earlier time was invented by a
// client and is not counted.
var firstRelease = time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)

const earlierIDWarning = "WARNING: a client asked for an operation that this instance created before " +
	"its state folder was made: the volume is new, or the state was thrown away, and the operations before are lost"

// countMissing counts the id of a requested operation that does not exist, if it is such an earlier
// id. It logs a warning for the first one.
func (e *earlierIDs) countMissing(id signing.ID) {
	n := id.Sequence()
	if id.Ordinal() != e.ordinal || n < firstRelease.UnixMilli() || n >= e.created.UnixMilli() {
		return
	}
	e.count.Add(1)
	if e.warned.CompareAndSwap(false, true) {
		e.log.Info(earlierIDWarning, "operation", id, "created", e.created.Format(time.RFC3339))
	}
}
