// Package verify checks signed documents with programs that share no code with this project. qpdf
// checks the structure of a PDF, poppler's pdfsig and OpenSSL its signature. xmlsec1 and the JDK
// check the signature of an XML file, OpenSSL that of a CMS file (.p7m, .p7s). Programs that are
// not installed are skipped. The package itself always checks that a PDF begins with the original,
// byte for byte, and that an XML file is the original with one insertion.
package verify
