// Package outbound makes the HTTP client for every call that leaves this process: remote signing
// service, timestamp authorities, OCSP and CRL.
//
// One client serves all of them, so that connections are reused and the documented proxy settings
// apply to each call. The client follows no redirect, because an answer that sends us elsewhere
// does not come from the service that we asked. It bounds the header of an answer, and it refuses
// hosts that have failed recently (see Breaker). Exchange reads one small answer completely, within
// a limit. When it fails, it says whether the request can have been carried out. For a paid
// signature this decides between a retry and an unknown outcome.
package outbound
