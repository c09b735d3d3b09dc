// Package storetest checks what a signing.Store must do. Run is a conformance suite, and Memory is
// a store in memory that passes it and fails when a test tells it to.
//
// It is for tests only.
package storetest
