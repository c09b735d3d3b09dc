// Package audit keeps the record of every signature: an append-only file a day, in which each line
// holds the hash of all before it.
//
// A line is 64 hexadecimal digits, a blank, and JSON. The digits are SHA-256 over the digits of the
// line before, a blank, and that JSON. The first line of a file is a Head: it names the hash that
// its chain begins with, which is the last one of the file before. Who changes, removes or moves a
// line breaks the chain from there on; who removes the newest lines does not, but for whoever has
// noted a later hash: the log tells the last one of every file that is closed.
//
// A record is on disk before the proxy stores what became of the call. After a crash in between,
// the same call is there twice; the later one tells how it ended.
package audit
