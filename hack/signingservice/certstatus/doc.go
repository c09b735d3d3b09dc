// Package certstatus simulates a source of revocation data for tests and demonstrations: an OCSP
// responder (RFC 6960) and CRLs (RFC 5280). It can misbehave on request (Misbehaviour). It shares
// no code with the client under pkg/.
package certstatus
