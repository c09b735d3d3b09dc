// Package request reads and validates a SignRequest, as JSON or as a multipart form.
//
// A body is read as a stream: the content of documents goes to a signing.Upload while it arrives.
// Everything else is held in memory, within the limits of the Reader.
package request
