// Package evidence holds the validation data of certificates that long-term signatures contain:
// certificates, OCSP responses and CRLs. It verifies that OCSP responses and CRLs are signed by
// those who may sign them, and tells whether the data covers a certificate chain.
//
// pkg/revocation uses the checks on what it fetches. The formats use them on what they find in a
// signature, also in one that they made themselves.
package evidence
