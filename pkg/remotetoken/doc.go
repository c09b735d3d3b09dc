// Package remotetoken verifies bearer tokens that the remote signing service issued, and says which
// client service each belongs to.
//
// It uses the issuer's published keys (JSON Web Key Set, RFC 7517, for tokens of RFC 7519 and
// 9068), or asks the issuer about each token (introspection, RFC 7662). A token that is not valid
// is refused. If the issuer is not reachable, the client is told to retry (KindBusy) and never gets
// access.
package remotetoken
