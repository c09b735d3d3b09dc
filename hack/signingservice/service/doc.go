// Package service simulates a remote signing service: OAuth2, CSC API v1.0.4 and v2, and SAFE.
//
// Tests, demonstrations and clusters sign with it, and it can misbehave in many ways
// (Misbehaviour). It creates its authority and its keys when it starts and forgets them when it
// ends, unless it has a Seed. Every certificate that it issues says SIMULATED. It shares no type
// with the client code that it tests, and it makes unusual choices where the standards leave
// freedom: fields in another order, optional fields present or absent, additional unknown fields,
// numbers as strings, its own base paths.
//
// A Service is an http.Handler. It serves:
//
//	/oauth2/authorization-server/oauth/token        token endpoint (RFC 6749), also /oauth2/token
//	/oauth2/authorization-server/oauth/introspect   RFC 7662
//	/oauth2/authorization-server/jwks.json          keys of the tokens (RFC 7517)
//	/csc/v1/…  /csc/v2/…                            Cloud Signature Consortium API 1.0.4 and 2.0
//	/safe/…                                         the Portuguese state's service for invoices
//
// The Admin handler, which is mounted elsewhere, shows counts and sets faults, latency and the
// hold.
//
// The service counts every signature value that it computes, even if the answer does not arrive,
// because a real service would charge for it.
package service
