package pades

// Verdict is what Verify says of a signature, or of a document. Greater is worse.
type Verdict int

// The verdicts.
const (
	Unsigned       Verdict = iota // a document without a signature
	Good                          // right, and followed by nothing that must not follow
	CannotBeJudged                // it may be good: its form, an algorithm or its certificate is not known here
	Broken                        // wrong, or changed since
)

// TimeSource says where the time comes from at which a certificate is judged.
type TimeSource int

// The sources, from none to the strongest.
const (
	NoTime      TimeSource = iota // there is no certificate to judge
	VerifyTime                    // the signature names no time: it is judged at the time of verifying
	ClaimedTime                   // /M of the signature dictionary, which only the signer states
	StampedTime                   // a timestamp of the signature, or a document timestamp that follows it
	OwnTime                       // the certificate is that of a document timestamp, which states its own time
)
