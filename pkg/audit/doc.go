// Package audit keeps the record of every signature in append-only files, one for each day. Each
// line holds the hash of all lines before it.
//
// A line is 64 hexadecimal digits, a blank, and JSON. The digits are the SHA-256 of three things:
// the digits of the line before, a blank, and the JSON of the line itself. The first line of a file
// is a Head. It names the hash that the chain of the file begins with, which is the last hash of
// the file before.
//
// To change, remove or move a line breaks the chain from there on. To remove the newest lines does
// not break it. This is noticed only by somebody who has noted a later hash, so the log states the
// last hash of every file that is closed.
//
// A record is on disk before the proxy stores how the call ended. After a crash in between, the
// same call is recorded twice, and the later record tells how it ended.
package audit
