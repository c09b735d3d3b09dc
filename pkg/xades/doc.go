// Package xades signs XML documents with enveloped XAdES signatures and judges such signatures.
//
// It implements the baseline levels B-B, B-T, B-LT and B-LTA of ETSI EN 319 132-1. [Format] fits
// signing.Format: Prepare reads the document once, as a stream, and returns the digest of
// SignedInfo. Embed adds the signature value, timestamps and validation data, and returns the new
// bytes and where they belong. The original bytes stay as they are. [Verify] judges the signatures
// of a document. Format uses it on every document that it signed. Signer and verifier have only the
// tokenizer and canonicalizer of pkg/xmlc14n and the names of algorithms in common.
//
// [Profiles] say what the receivers of signatures want. They are data in profiles.yaml, and
// operators can add their own.
package xades
