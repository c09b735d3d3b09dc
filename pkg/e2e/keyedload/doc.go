// Package keyedload sends signing requests with Idempotency-Keys to a fleet of proxies as a careful
// client does, records every attempt, and judges in the end: which keys were refused, which
// accepted operations were lost, and which keys made two operations.
//
// A careful client sends a new key to the address in front of all instances. After 503 it waits as
// Retry-After says, and after a lost connection a moment, and repeats the request at a random
// instance. It follows host and port of the answer to fetch the result. Some keys are sent twice at
// the same time, and some are repeated after they were accepted.
package keyedload
