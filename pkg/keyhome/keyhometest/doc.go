// Package keyhometest checks what a keyhome.Table must do. Run is a conformance suite, and Memory
// is a table in memory that passes it.
//
// It is for tests only.
package keyhometest
