// Package evidence holds the validation data of certificates that long-term signatures contain:
// certificates, OCSP responses and CRLs. It tells whether the data covers a certificate chain.
package evidence
