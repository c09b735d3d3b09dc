// Package pdf reads PDF syntax (ISO 32000-2, clause 7) and appends incremental updates to it.
//
// A Document reads an io.ReaderAt from its end and reads only the objects that a caller asks for.
// Its memory and time do not grow with the number of objects in the file, except for the decoded
// cross-reference streams, which are bounded. Every length, count and depth that a file states is
// compared with a limit before it is used (limits.go). Damage is reported, never repaired.
// References is the exception to reading little: verification needs to know what all objects of a
// revision refer to, so References reads each object once, within its own limits.
//
// An Update collects new and changed objects and writes them as one section to append. It does not
// change the bytes before that section, and computes every offset. Copied objects are written as
// they were read: numbers, strings and unknown entries keep their form.
//
// The package knows the syntax, the page tree and the standard security handler. Its callers handle
// fields, signatures and appearances. Errors that the content of a file causes are *signing.Error
// with one of the kinds for documents, and their detail is safe to show to the client.
//
// README.md lists the parts of the package and the state that each part may change.
package pdf
