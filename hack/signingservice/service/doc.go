// Package service is a simulated remote signing service: OAuth2, CSC API v1.0.4 and v2, and SAFE,
// with a mind of its own.
//
// It exists to be signed against in tests, demonstrations and clusters, and to be rude while doing
// so. It makes its authority and its keys when it starts and forgets them when it ends; every
// certificate it issues says SIMULATED. It shares no type with the client code it tests and chooses
// differently where the standards leave freedom: fields in another order, optional ones present or
// absent, unknown ones added, numbers as strings, base paths of its own.
//
// A Service is an http.Handler. What it serves:
//
//	/oauth2/authorization-server/oauth/token        token endpoint of the documented product (also /oauth2/token, RFC 6749)
//	/oauth2/authorization-server/oauth/introspect   RFC 7662
//	/oauth2/authorization-server/jwks.json          keys of the tokens (RFC 7517)
//	/csc/v1/…  /csc/v2/…                            Cloud Signature Consortium API 1.0.4 and 2.0
//	/safe/…                                         the Portuguese state's service for invoices
//
// Its Admin handler, to be mounted elsewhere, shows counts and sets faults, latency and the hold.
//
// Every signature value that a key here computes is counted, whether the answer arrives or not: it
// is what would have been paid for.
package service
