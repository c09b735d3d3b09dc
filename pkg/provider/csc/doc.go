// Package csc is a signing.Provider for remote services that speak the Cloud Signature Consortium's
// API, version 1.0.4 or 2.
//
// One Provider is one credential. Its first use asks info (which version, where the tokens come
// from), gets an OAuth2 token by client_credentials, finds the credential (credentials/list) and
// reads it (credentials/info). Each call then is credentials/authorize with all hashes, and
// signatures/signHash with the activation data (SAD) that came back.
//
// What a failure means for the money is decided here and nowhere else. Up to signHash nothing can
// have been signed. A signHash whose answer is a 4xx with an error code that the CSC or OAuth2
// defines as a refusal was refused. Anything else after it went out (no answer, half an answer,
// 5xx, 3xx, a 4xx with another body, an answer that cannot be read) leaves the outcome unknown. One
// Sign sends signHash at most once, so that each signHash is a call that the caller counts. With
// operationMode A (v2) the service hands out a responseID at once; it is noted, and the values can
// be fetched under it again, by a later process too.
//
// Deviations met in the field are served: numbers as strings, certificates in any base64, ECDSA
// values as r‖s, a whole path in info.oauth2, tokens that end early.
package csc
