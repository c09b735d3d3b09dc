package timestamp

import (
	"crypto"
	"crypto/rand"
	"encoding/asn1"
	"fmt"
	"math/big"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// query is the request, independent of the authority.
type query struct {
	digest []byte
	hash   crypto.Hash
}

var hashOIDs = map[crypto.Hash]asn1.ObjectIdentifier{
	crypto.SHA256: {2, 16, 840, 1, 101, 3, 4, 2, 1},
	crypto.SHA384: {2, 16, 840, 1, 101, 3, 4, 2, 2},
	crypto.SHA512: {2, 16, 840, 1, 101, 3, 4, 2, 3},
}

func newQuery(digest []byte, hash crypto.Hash) (*query, error) {
	if hashOIDs[hash] == nil {
		return nil, fmt.Errorf("hash %v is not supported", hash)
	}
	if len(digest) != hash.Size() {
		return nil, fmt.Errorf("digest has %d bytes, %v has %d", len(digest), hash, hash.Size())
	}
	return &query{digest, hash}, nil
}

// newNonce returns a random number of 1 to 63 bits. It is positive and fits into a machine word,
// because some authorities store it in one.
func newNonce() (*big.Int, error) {
	n, err := rand.Int(rand.Reader, big.NewInt(1<<63-1))
	if err != nil {
		return nil, fmt.Errorf("make nonce: %w", err)
	}
	return n.Add(n, big.NewInt(1)), nil
}

// marshal encodes a TimeStampReq (RFC 3161 2.4.1) that asks for the authority's certificates. The
// hash identifier has NULL parameters, because most other clients send it so.
func (q *query) marshal(policy asn1.ObjectIdentifier, nonce *big.Int) ([]byte, error) {
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1Int64(1)
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) { // MessageImprint
			b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
				b.AddASN1ObjectIdentifier(hashOIDs[q.hash])
				b.AddASN1NULL()
			})
			b.AddASN1OctetString(q.digest)
		})
		if len(policy) > 0 {
			b.AddASN1ObjectIdentifier(policy)
		}
		b.AddASN1BigInt(nonce)
		b.AddASN1Boolean(true)
	})
	out, err := b.Bytes()
	if err != nil {
		return nil, fmt.Errorf("encode timestamp query: %w", err)
	}
	return out, nil
}
