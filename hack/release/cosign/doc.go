// Package cosign signs images and statements in the formats that the program cosign reads: keys in
// files, signatures of images (simple signing), and attestations (in-toto statements in DSSE
// envelopes), both attached to an image by the tags sha256-DIGEST.sig and sha256-DIGEST.att.
package cosign
