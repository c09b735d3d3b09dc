// Package audit keeps the record of every signature in append-only files, one for each day. Each
// line holds the hash of all lines before it.
//
// A line is 64 hexadecimal digits, a blank, and JSON. The digits are the SHA-256 of three things:
// the digits of the line before, a blank, and the JSON of the line itself. The first line of a file
// is a Head. It names the hash that the chain of the file begins with, which is the last hash of
// the file before.
//
// A line that is changed, removed or moved breaks the chain from there on. Removing the newest
// lines does not break the chain. Only somebody who has kept a later hash notices it. Therefore the
// program logs the last hash of every file that it closes.
//
// A record is on disk before the proxy stores how the call ended. After a crash in between, the
// same call is recorded twice, and the later record says how it ended.
package audit
