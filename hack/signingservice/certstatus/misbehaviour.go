package certstatus

// Misbehaviour is one way to misbehave.
type Misbehaviour string

const (
	Polite Misbehaviour = ""

	// For OCSP and CRLs.

	NotFound    Misbehaviour = "404"
	Unavailable Misbehaviour = "503"
	Garbage     Misbehaviour = "garbage"      // random bytes
	Empty       Misbehaviour = "empty"        // an empty answer
	Slow        Misbehaviour = "slow"         // no answer until the client goes away
	Huge        Misbehaviour = "huge"         // an answer that does not end
	Redirect    Misbehaviour = "redirect"     // HTTP 302 to RedirectTarget
	Stale       Misbehaviour = "stale"        // nextUpdate is in the past
	Future      Misbehaviour = "future"       // thisUpdate is in the future
	WrongKey    Misbehaviour = "wrong-key"    // signed by a key that the issuer did not certify
	WrongIssuer Misbehaviour = "wrong-issuer" // about another issuer's certificates

	// Only for OCSP.

	TryLater      Misbehaviour = "try-later"
	Malformed     Misbehaviour = "malformed-request"
	Unknown       Misbehaviour = "unknown"        // status unknown
	OtherSerial   Misbehaviour = "other-serial"   // an answer about another certificate
	NoUpdate      Misbehaviour = "no-next-update" // allowed, but unusual
	NoPurpose     Misbehaviour = "no-purpose"     // delegated to a certificate without the extended key usage
	DelegateEnded Misbehaviour = "delegate-ended" // delegated to a certificate that has expired
)

// Misbehaviours lists all misbehaviours except Polite and NoUpdate.
func Misbehaviours() []Misbehaviour {
	ocsp := []Misbehaviour{TryLater, Malformed, Unknown, OtherSerial, NoPurpose, DelegateEnded}
	return append(ocsp, CRLMisbehaviours()...)
}

// CRLMisbehaviours lists the misbehaviours that apply to CRLs.
func CRLMisbehaviours() []Misbehaviour {
	return []Misbehaviour{
		NotFound, Unavailable, Garbage, Empty, Slow, Huge, Redirect, Stale, Future, WrongKey, WrongIssuer,
	}
}
