// Package pkcs11 is a signing.Provider whose key is in a hardware security module or token with a
// PKCS #11 (Cryptoki 2.40) library.
//
// It needs cgo and is built only with the tag pkcs11, so that the default binary stays static.
// Without the tag, OpenModule returns an error. A process has one Module for each library.
// Credentials of the same library share it.
//
// A key in a module is treated like a remote key: if an answer is lost, the outcome of its
// signatures is unknown. After the token has refused the PIN, the provider never sends that PIN
// again, because tokens lock themselves after a few attempts.
package pkcs11
