// Package cades signs files of any type with CAdES signatures and judges such signatures.
//
// It implements the baseline levels of ETSI EN 319 122-1. [Format] fits signing.Format. An
// enveloping signature (.p7m) puts the file into the SignedData. A detached signature (.p7s) does
// not contain it. All lengths are computed beforehand, so the content is never in memory and may
// have any size.
//
// [Verify] judges the signatures of a .p7m or .p7s file, which may be DER, BER, PEM or base64. It
// reads the file as a stream and bounds every length before it believes it. Format uses it on every
// file that it signed.
package cades
