// Package storetest says what a signing.Store must do: a conformance suite (Run), and a store in
// memory that passes it (Memory) and fails where a test tells it to.
//
// It is for tests only.
package storetest
