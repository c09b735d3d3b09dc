// Package outbound makes the HTTP client for every call that leaves this process: remote signing
// service, timestamp authorities, OCSP and CRL.
//
// One client serves all of them, so that connections are reused and the documented proxy settings
// hold for each call. It follows no redirect (an answer that sends us elsewhere is no answer),
// bounds what it believes of an answer's head, and refuses hosts that have failed lately (see
// Breaker). Exchange reads a whole small answer within a limit and says whether the request can
// have been carried out when it fails: for a paid signature that is the difference between another
// try and an unknown outcome.
package outbound
