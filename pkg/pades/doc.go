// Package pades is the signing.Format for PDF: PAdES baseline signatures (ETSI EN 319 142-1) by
// incremental update.
//
// Prepare opens the document, refuses what must not or cannot be signed, and writes the appended
// section with a hole for the signature: field and widget, signature dictionary, AcroForm, page and
// catalog. What has to be signed is known then, since every offset is. The section without the
// hole's zeros, the certificate chain and the state of the hash after the original are the Prepared
// value. Embed puts the SignedData into the hole, adds timestamps and validation data as further
// revisions where the level asks for them, and checks the outcome: it parses the joined document
// afresh, takes the gap from the ByteRange that it finds there, and verifies digest, signature
// value and level.
//
// The original is never changed and is read only where objects of it are needed.
package pades
