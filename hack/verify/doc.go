// Package verify checks signed PDFs with programs that share no code with this project: qpdf checks
// the structure, poppler's pdfsig and OpenSSL check the signature. Programs that are not installed
// are skipped. The package itself always checks that the file begins with the original, byte for
// byte.
package verify
