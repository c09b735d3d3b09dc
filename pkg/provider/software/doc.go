// Package software is the signing.Provider whose key lies in a file: a PKCS#12 file, or an embedded
// key with a development CA of its own that is made on the first start.
//
// Signatures by the embedded key have no legal value: nobody vouches for it. It is there so that
// the product can be tried, tested and measured with nothing else at hand.
package software
