// Package tsa is a simulated RFC 3161 timestamp authority for tests and demonstrations, polite or
// rude as told. Its times are those of this machine and nobody vouches for them.
//
// It shares no code with the client under pkg/: where both read the standard wrongly in the same
// way, a test would not notice.
package tsa
