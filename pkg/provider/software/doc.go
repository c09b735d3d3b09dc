// Package software is a signing.Provider whose key is in a file. The file is either a PKCS#12 file,
// or holds an embedded key with its own development CA, which are made on the first start.
//
// Signatures by the embedded key have no legal value, because nobody vouches for it. It exists so
// that the product can be tried, tested and measured without any other service.
package software
