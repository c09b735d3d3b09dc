package certstatus

// Rudeness is one way to misbehave.
type Rudeness string

const (
	Polite Rudeness = ""

	// For OCSP and CRLs.

	NotFound    Rudeness = "404"
	Unavailable Rudeness = "503"
	Garbage     Rudeness = "garbage"      // random bytes
	Empty       Rudeness = "empty"        // an empty answer
	Slow        Rudeness = "slow"         // no answer until the client goes away
	Huge        Rudeness = "huge"         // an answer that does not end
	Redirect    Rudeness = "redirect"     // HTTP 302 to RedirectTarget
	Stale       Rudeness = "stale"        // nextUpdate is in the past
	Future      Rudeness = "future"       // thisUpdate is in the future
	WrongKey    Rudeness = "wrong-key"    // signed by a key that the issuer did not certify
	WrongIssuer Rudeness = "wrong-issuer" // about another issuer's certificates

	// Only for OCSP.

	TryLater      Rudeness = "try-later"
	Malformed     Rudeness = "malformed-request"
	Unknown       Rudeness = "unknown"        // status unknown
	OtherSerial   Rudeness = "other-serial"   // an answer about another certificate
	NoUpdate      Rudeness = "no-next-update" // allowed, but unusual
	NoPurpose     Rudeness = "no-purpose"     // delegated to a certificate without the extended key usage
	DelegateEnded Rudeness = "delegate-ended" // delegated to a certificate that has expired
)

// Rudenesses lists all rudenesses except Polite and NoUpdate.
func Rudenesses() []Rudeness {
	return append([]Rudeness{TryLater, Malformed, Unknown, OtherSerial, NoPurpose, DelegateEnded}, CRLRudenesses()...)
}

// CRLRudenesses lists the rudenesses that apply to CRLs.
func CRLRudenesses() []Rudeness {
	return []Rudeness{NotFound, Unavailable, Garbage, Empty, Slow, Huge, Redirect, Stale, Future, WrongKey, WrongIssuer}
}
