package pades

// Verdict is the judgement of Verify about a signature or a document. A greater value is worse.
type Verdict int

// The verdicts.
const (
	Unsigned       Verdict = iota // the document has no signature
	Good                          // valid, and no forbidden change followed
	CannotBeJudged                // it may be valid, but its form, an algorithm or its certificate is unknown here
	Broken                        // invalid, or a forbidden change followed
)

// TimeSource says which time was used to judge a certificate.
type TimeSource int

// The sources, from the weakest to the strongest.
const (
	NoTime      TimeSource = iota // there is no certificate to judge
	VerifyTime                    // the signature names no time, so the time of verification is used
	ClaimedTime                   // /M of the signature dictionary, which only the signer states
	StampedTime                   // a timestamp of the signature, or a document timestamp that follows it
	OwnTime                       // the certificate is that of a document timestamp, which states its own time
)
