package tsa

// Rudeness is one way to misbehave.
type Rudeness string

const (
	Polite Rudeness = ""

	// No token.

	Rejection   Rudeness = "rejection"        // PKIStatus rejection with badRequest
	SystemFail  Rudeness = "system-failure"   // PKIStatus rejection with systemFailure
	Waiting     Rudeness = "waiting"          // PKIStatus waiting
	NoToken     Rudeness = "no-token"         // granted, without a token
	BadRequest  Rudeness = "400"              // HTTP 400, with which one national authority says "too many requests"
	TooMany     Rudeness = "429"              // HTTP 429 with Retry-After: 30
	Unavailable Rudeness = "503"              // HTTP 503
	Forbidden   Rudeness = "403"              // HTTP 403
	HTML        Rudeness = "html"             // HTTP 200 with a page
	Empty       Rudeness = "empty"            // HTTP 200 with an empty body
	Garbage     Rudeness = "garbage"          // HTTP 200 with random bytes
	Cut         Rudeness = "cut"              // the connection ends in the middle of the answer
	Slow        Rudeness = "slow"             // no answer until the client goes away
	Huge        Rudeness = "huge"             // an answer that does not end
	Redirect    Rudeness = "redirect"         // HTTP 302 to itself
	Trailing    Rudeness = "trailing-garbage" // a good answer with bytes behind it

	// A token that must not be used.

	WrongNonce    Rudeness = "wrong-nonce"
	MissingNonce  Rudeness = "missing-nonce"
	WrongImprint  Rudeness = "wrong-imprint"
	WrongHash     Rudeness = "wrong-hash" // another imprint algorithm
	WrongValue    Rudeness = "wrong-value"
	WrongPurpose  Rudeness = "wrong-purpose"  // a certificate without the extended key usage
	ForeignSigner Rudeness = "foreign-signer" // signing-certificate-v2 names another certificate
	NoSigner      Rudeness = "no-signing-certificate"
	NoCertificate Rudeness = "no-certificate" // although it was requested
	Stale         Rudeness = "stale"          // a time one hour ago
	Future        Rudeness = "future"         // a time in an hour
	WrongPolicy   Rudeness = "wrong-policy"   // another policy than the one asked for
	SHA1          Rudeness = "sha1"           // signed with SHA-1

	// Allowed, but unusual.

	WithMods  Rudeness = "granted-with-mods"
	LeafAlone Rudeness = "leaf-alone" // the authority's certificate without those of its issuers
	Created   Rudeness = "201"        // HTTP 201
)

// Rudenesses lists the rudenesses after which a client must not use the timestamp.
func Rudenesses() []Rudeness {
	return []Rudeness{
		Rejection, SystemFail, Waiting, NoToken, BadRequest, TooMany, Unavailable, Forbidden, HTML, Empty, Garbage, Cut, Slow,
		Huge, Redirect, Trailing, WrongNonce, MissingNonce, WrongImprint, WrongHash, WrongValue, WrongPurpose, ForeignSigner,
		NoSigner, NoCertificate, Stale, Future, WrongPolicy, SHA1,
	}
}
