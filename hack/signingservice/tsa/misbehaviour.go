package tsa

// Misbehaviour is one way to misbehave.
type Misbehaviour string

const (
	Polite Misbehaviour = ""

	// No token.

	Rejection   Misbehaviour = "rejection"        // PKIStatus rejection with badRequest
	SystemFail  Misbehaviour = "system-failure"   // PKIStatus rejection with systemFailure
	Waiting     Misbehaviour = "waiting"          // PKIStatus waiting
	NoToken     Misbehaviour = "no-token"         // granted, without a token
	BadRequest  Misbehaviour = "400"              // HTTP 400, with which one national authority says "too many requests"
	TooMany     Misbehaviour = "429"              // HTTP 429 with Retry-After: 30
	Unavailable Misbehaviour = "503"              // HTTP 503
	Forbidden   Misbehaviour = "403"              // HTTP 403
	HTML        Misbehaviour = "html"             // HTTP 200 with a page
	Empty       Misbehaviour = "empty"            // HTTP 200 with an empty body
	Garbage     Misbehaviour = "garbage"          // HTTP 200 with random bytes
	Cut         Misbehaviour = "cut"              // the connection ends in the middle of the answer
	Slow        Misbehaviour = "slow"             // no answer until the client goes away
	Huge        Misbehaviour = "huge"             // an answer that does not end
	Redirect    Misbehaviour = "redirect"         // HTTP 302 to itself
	Trailing    Misbehaviour = "trailing-garbage" // a good answer with bytes behind it

	// A token that must not be used.

	WrongNonce    Misbehaviour = "wrong-nonce"
	MissingNonce  Misbehaviour = "missing-nonce"
	WrongImprint  Misbehaviour = "wrong-imprint"
	WrongHash     Misbehaviour = "wrong-hash" // another imprint algorithm
	WrongValue    Misbehaviour = "wrong-value"
	WrongPurpose  Misbehaviour = "wrong-purpose"  // a certificate without the extended key usage
	ForeignSigner Misbehaviour = "foreign-signer" // signing-certificate-v2 names another certificate
	NoSigner      Misbehaviour = "no-signing-certificate"
	NoCertificate Misbehaviour = "no-certificate" // although it was requested
	Stale         Misbehaviour = "stale"          // a time one hour ago
	Future        Misbehaviour = "future"         // a time in an hour
	WrongPolicy   Misbehaviour = "wrong-policy"   // another policy than the one asked for
	SHA1          Misbehaviour = "sha1"           // signed with SHA-1

	// Allowed, but unusual.

	WithMods  Misbehaviour = "granted-with-mods"
	LeafAlone Misbehaviour = "leaf-alone" // the authority's certificate without those of its issuers
	Created   Misbehaviour = "201"        // HTTP 201
)

// Misbehaviours lists the misbehaviours after which a client must not use the timestamp.
func Misbehaviours() []Misbehaviour {
	return []Misbehaviour{
		Rejection, SystemFail, Waiting, NoToken, BadRequest, TooMany, Unavailable, Forbidden, HTML, Empty, Garbage, Cut, Slow,
		Huge, Redirect, Trailing, WrongNonce, MissingNonce, WrongImprint, WrongHash, WrongValue, WrongPurpose, ForeignSigner,
		NoSigner, NoCertificate, Stale, Future, WrongPolicy, SHA1,
	}
}
