// Package revocation gathers what a validator needs to see that the certificates of a chain were
// not revoked: OCSP responses (RFC 6960), CRLs (RFC 5280) and the certificates to check them with.
//
// For each certificate up to the root OCSP is asked first, then the CRL is fetched. What comes is
// believed only when it is signed by whoever may sign it, about this very certificate, and fresh.
// It is kept for a while, since one chain signs thousands of documents.
//
// The addresses stand in certificates, and certificates come from others: only http and https are
// followed, redirects never, and private addresses only where the configuration allows them
// (outbound.Guard).
package revocation
