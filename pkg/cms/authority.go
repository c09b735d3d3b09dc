package cms

import (
	"context"
	"crypto"
	"crypto/x509"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// UnusableToken returns the error for a token of a timestamp authority that cannot be used.
func UnusableToken(cause error) error {
	return signing.Errorf(signing.KindTimestamp, "the timestamp authority gave an unusable token").Because(cause)
}

// RequestToken requests a timestamp over digest, which was made with hash, and returns the token in
// the form that a SignedData may contain. Errors are of KindTimestamp.
func RequestToken(ctx context.Context, t signing.Timestamper, digest []byte, hash crypto.Hash) ([]byte, error) {
	token, err := t.Timestamp(ctx, digest, hash)
	if err != nil {
		return nil, err
	}
	if token, err = CanonicalToken(token); err != nil {
		return nil, UnusableToken(err)
	}
	return token, nil
}

// RequestTimestamp requests a timestamp over value, and returns the token like RequestToken. chain
// is that of its authority, because level B-LT needs validation data for it too. Issuers may also
// be among others: the issuer of an authority is often also the issuer of the signer.
func RequestTimestamp(
	ctx context.Context, t signing.Timestamper, value []byte, hash crypto.Hash, others ...*x509.Certificate,
) (token []byte, chain []*x509.Certificate, err error) {
	h := hash.New()
	h.Write(value)
	if token, err = RequestToken(ctx, t, h.Sum(nil), hash); err != nil {
		return nil, nil, err
	}
	parsed, err := ParseTimestamp(token)
	if err != nil {
		return nil, nil, UnusableToken(err)
	}
	chain, err = parsed.AuthorityChain(others...)
	return token, chain, err
}

// AuthorityChain returns the chain of the authority of a timestamp, or an error of KindTimestamp.
func (t *Timestamp) AuthorityChain(others ...*x509.Certificate) ([]*x509.Certificate, error) {
	chain := t.Chain(others...)
	if chain == nil {
		return nil, signing.Errorf(signing.KindTimestamp, "the timestamp does not contain the certificate of its authority")
	}
	return chain, nil
}
