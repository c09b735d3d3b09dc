// Package remotetoken verifies bearer tokens that the remote signing service issued, and says which
// client service each belongs to.
//
// It does so by the issuer's published keys (JSON Web Key Set, RFC 7517, for tokens of RFC 7519 and
// 9068), or by asking the issuer about each token (introspection, RFC 7662). A token that cannot be
// verified is refused; a token that nobody can judge at the moment is answered with "busy", never
// with access.
package remotetoken
