// Package tsa simulates an RFC 3161 timestamp authority for tests and demonstrations. It can
// misbehave on request (Misbehaviour). Its times come from the clock of this machine and prove
// nothing.
//
// It shares no code with the client under pkg/, because no test would notice a misreading of the
// standard that both share.
package tsa
