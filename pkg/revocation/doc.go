// Package revocation gathers the data from which a validator sees that the certificates of a chain
// were not revoked: OCSP responses (RFC 6960), CRLs (RFC 5280) and the certificates to verify them
// with.
//
// For each certificate up to the root it asks OCSP first. If that fails, it fetches the CRL. It
// accepts an answer only if the answer is fresh, is about exactly this certificate, and is signed
// by somebody who may sign it. Answers are cached, because one chain signs thousands of documents.
//
// The addresses come from certificates, and certificates come from others. So only http and https
// are used, redirects are never followed, and private addresses are called only if the
// configuration allows them (outbound.Guard).
package revocation
