// Package pkcs11 is the signing.Provider whose key lies in a hardware security module or token with
// a PKCS #11 (Cryptoki 2.40) library.
//
// It needs cgo and is built with the tag pkcs11 alone, so that the usual binary stays static;
// without the tag OpenModule says so. One process has one Module for each library; credentials of
// one library share it.
//
// A key in a module is asked like a remote one: what it may have signed before an answer was lost
// counts as unknown. The PIN is never tried twice once the token has refused it, since tokens lock
// themselves after a few tries.
package pkcs11
