// Package pades is the signing.Format for PDF: PAdES baseline signatures (ETSI EN 319 142-1) by
// incremental update.
//
// Prepare opens the document and refuses it if it must not or cannot be signed. Then it writes the
// section that will be appended: field and widget, signature dictionary, AcroForm, page and
// catalog. The section has reserved contents, in which the signature will stand. All offsets are
// known at this point, and so is the digest that has to be signed. The Prepared value holds the
// section without the zeros of the reserved contents, the certificate chain, and the state of the
// hash after the original.
//
// Embed puts the SignedData into the reserved contents. If the level asks for them, it appends
// timestamps and validation data as further revisions. At last it checks the result: it parses the
// joined document again, takes the gap from the ByteRange in the document, and verifies digest,
// signature value and level.
//
// The original is never changed. Only those parts of it are read whose objects are needed.
package pades
