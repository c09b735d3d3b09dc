package signing

import "time"

// Callback says that the client service must still be told of the end of an operation. The store
// keeps it and removes it together with its operation.
type Callback struct {
	Operation ID
	Tries     int       // failed attempts so far
	Next      time.Time // earliest time of the next attempt
}
