// Package pdf reads PDF syntax (ISO 32000-2, clause 7) and appends incremental updates to it.
//
// A Document reads an io.ReaderAt from its end and touches only the objects it is asked for: memory
// and time do not grow with the number of objects in the file, but for the decoded cross-reference
// streams, which are bounded. Every length, count and depth that a file states is held against a
// limit before it is believed (limits.go). Damage is reported, never repaired. References is the
// exception: verifying needs to know what all objects of a revision refer to, so that it reads each
// once, within limits of its own.
//
// An Update collects new and changed objects and writes them as one section to append: the bytes
// before it stay as they are, and every offset is computed. What is carried over is written as it
// was read: numbers, strings and unknown entries keep their form.
//
// The package knows syntax, the page tree and the standard security handler. Fields, signatures and
// appearances are its callers'. Errors that come from a file's content are *signing.Error of a
// document's kinds, with a reason fit for the client.
package pdf
