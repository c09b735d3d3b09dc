// Package certstatus is a simulated source of revocation data for tests and demonstrations: an OCSP
// responder (RFC 6960) and CRLs (RFC 5280), polite or rude as told. It shares no code with the
// client under pkg/.
package certstatus
