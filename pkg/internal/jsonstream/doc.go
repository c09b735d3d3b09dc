// Package jsonstream reads and writes JSON (RFC 8259) of any size in bounded memory: a Scanner
// reads values one by one, a Writer writes them, and base64 strings are decoded or encoded as
// streams.
package jsonstream
