package xades

import (
	"context"
	"crypto/x509"
	"errors"
	"io"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
	"github.com/signstash-proxy/signstash-proxy/pkg/xmlc14n"
)

// Verdict is the result of judging a signature.
type Verdict string

// The verdicts. They say whether the signature fits the document and the certificate, and whether
// the certificate was valid at the time of signing. Only with VerifyOptions.Roots do they say
// whether the certificate is to be trusted.
const (
	Undetermined Verdict = "cannot be judged"
	Valid        Verdict = "valid"
	Invalid      Verdict = "not valid"
)

// Coverage is how much of the document a signature covers.
type Coverage string

// The coverages.
const (
	CoversNothing  Coverage = ""
	CoversDocument Coverage = "document" // all of it except signatures
	CoversElement  Coverage = "element"  // an element that contains the signature; never valid
	CoversObject   Coverage = "object"   // an object inside the signature, around which is nothing
	// CoversSignature is the coverage of a countersignature.
	CoversSignature Coverage = "signature"
)

// Signature is a signature in a document and what was found out about it.
type Signature struct {
	ID         string
	Start, End int64 // offsets of the element in the document
	Verdict    Verdict
	Reason     string   // why it is not valid or cannot be judged; has no content of the document
	Covers     Coverage // meaningful only if it is valid
	// Level is the baseline level that the signature reaches (ETSI EN 319 132-1 6.3). It is empty for
	// a signature that is not valid or does not follow the baseline.
	Level       signing.Level
	Certificate *x509.Certificate // of the signer, as the signature names it; nil if there is none
	SigningTime time.Time         // claimed; zero if there is none with a zone
	Stamped     time.Time         // of the first signature timestamp; zero if there is none
	// Judged is the time at which the certificate was judged: Stamped, or else SigningTime, or else
	// the time of verification. It is zero for a signature that has another fault.
	Judged time.Time
	Notes  []string // remarks that do not make it invalid
}

// Verify judges all signatures of an XML document, in the order of their start tags. It reads the
// document twice if it has signatures. The error says that the document cannot be read or is
// refused. Verify judges signature timestamps and archive timestamps of XAdES 1.4.1, and says
// whether validation data is there. It uses no network, so it does not know about a certificate
// that was revoked later.
func Verify(ctx context.Context, file signing.Sized, o VerifyOptions) ([]Signature, error) {
	all, err := verify(ctx, file, newMeasurer(), func(*foundSignature) bool { return true })
	if err != nil {
		return nil, err
	}
	results := make([]Signature, len(all))
	for i, s := range all {
		s.judgeCertificates(o)
		results[i] = s.Signature
	}
	return results, nil
}

// verify judges the signatures that wanted chooses. The first pass finds the signatures, and
// measures what m was already asked for. A second pass measures what is missing then.
func verify(
	ctx context.Context, file signing.Sized, m *measurer, wanted func(*foundSignature) bool,
) ([]*judged, error) {
	tokens := xmlc14n.NewTokenizer(newDocumentReader(ctx, file, file.Size()))
	c := &collector{tokens: tokens}
	err := m.pass(ctx, tokens, c.token)
	if err != nil {
		return nil, err
	}
	if c.many {
		return nil, signing.Errorf(signing.KindTooComplex, "the XML has too many or too large signatures to judge")
	}
	var judges []*judge
	for _, f := range c.found {
		if wanted(f) {
			j := &judge{found: f, all: c.found, content: c.content}
			j.plan(m)
			judges = append(judges, j)
		}
	}
	if m.missing {
		tokens := xmlc14n.NewTokenizer(newDocumentReader(ctx, file, file.Size()))
		if err := m.pass(ctx, tokens, func(*xmlc14n.Token) {}); err != nil {
			return nil, err
		}
	}
	results := make([]*judged, len(judges))
	for i, j := range judges {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		results[i] = j.result()
	}
	return results, nil
}

// pass gives all tokens of a document to m and to also.
func (m *measurer) pass(ctx context.Context, tokens *xmlc14n.Tokenizer, also func(*xmlc14n.Token)) error {
	tokens.Leaves = true
	m.startPass()
	for {
		t, err := tokens.Next()
		if err != nil {
			if errors.Is(err, io.EOF) {
				break
			}
			return readError(ctx, err)
		}
		also(t)
		if err := m.token(t); err != nil {
			return internal("canonicalize document", err)
		}
	}
	if err := m.endPass(); err != nil {
		return internal("canonicalize document", err)
	}
	return nil
}
