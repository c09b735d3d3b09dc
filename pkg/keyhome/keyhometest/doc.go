// Package keyhometest checks what a keyhome.Table must do. Run is a conformance suite, and Memory
// is a table in memory that passes it. Fleet is a set of instances without a network.
//
// It is for tests and measurements only.
package keyhometest
