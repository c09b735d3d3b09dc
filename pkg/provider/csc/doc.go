// Package csc is a signing.Provider for remote services that implement the API of the Cloud
// Signature Consortium (CSC), version 1.0.4 or 2.
//
// A Provider uses one credential. On its first use it calls info (for the version and the source of
// access tokens), gets an OAuth2 token by client_credentials, finds the credential
// (credentials/list) and reads it (credentials/info). Each later call is credentials/authorize with
// all hashes, followed by signatures/signHash with the activation data (SAD) from the answer.
//
// Only this package decides whether a failed call may have to be paid for. Before signHash nothing
// can have been signed. A signHash was refused if its answer is a 4xx with an error code that the
// CSC or OAuth2 defines as a refusal. After any other failure of a signHash that was sent (no
// answer, half an answer, 5xx, 3xx, a 4xx with another body, an unreadable answer) the outcome is
// unknown. One Sign sends signHash at most once, so that the caller counts each signHash. With
// operationMode A (v2) the service returns a responseID at once. The provider records it, and the
// values can be fetched again with it, even by a later process.
//
// The package accepts these deviations of real services: numbers as strings, certificates in any
// base64, ECDSA values as r‖s, a whole path in info.oauth2, and tokens that expire early.
package csc
