// Package xmlc14n reads XML as a stream of tokens and writes its canonical form.
//
// A [Tokenizer] reads a document once and builds no tree. Its memory does not depend on the size of
// the document: it holds a window of the input, the names of the open elements and the namespace
// declarations in scope. It reports each token with its byte offset in the original bytes, also if
// the document is not in UTF-8. A [Canonicalizer] takes the tokens and writes Canonical XML 1.0,
// Canonical XML 1.1 or Exclusive XML Canonicalization 1.0 to an [io.Writer], normally a hash.
// Several canonicalizers can take the tokens of one pass.
//
// The tokenizer accepts XML 1.0 (fifth edition) that conforms to Namespaces in XML 1.0, and no
// document type declaration. So there are no entities besides the five predefined ones, no default
// attributes, and no external file is ever read. [Reason] lists everything that it refuses.
package xmlc14n
