// Package jsonstream reads and writes JSON (RFC 8259) of any size in bounded memory: values are
// pulled one by one, and base64 strings are decoded, or encoded, while they pass.
package jsonstream
