// Package limits decides who is let in: it bounds what one client service, or one address, takes of
// an instance, so that its neighbours keep their room.
//
//   - Brake slows down the guessing of secrets.
//   - Quotas bound the requests a second of a client service.
//   - Places bound the bodies that are read, and the answers that are sent, at a time.
//   - Pace ends a connection whose client sends or reads too slowly.
//   - Shares bound how much requests hold of something countable, such as bytes of text.
//   - Patience refuses sync requests early while results come too late.
//
// All errors are *signing.Error with the time after which the client may retry. All types but Pace
// are safe for concurrent use.
package limits

import "time"

// RetryAfter is what a refused client is told when nobody knows how long it takes until there is
// room.
const RetryAfter = time.Second
