// Package verify asks programs that share no code with this project whether a signed PDF is right:
// qpdf for the structure, poppler's pdfsig and OpenSSL for the signature. What is not installed is
// not asked; the byte-for-byte prefix is always held against the original.
package verify
