package evidence

import (
	"context"
	"crypto/sha256"
	"crypto/x509"

	"github.com/signstash-proxy/signstash-proxy/pkg/internal/certchain"
)

// Elements is a set of DER values in the order in which they were added.
type Elements struct {
	seen map[[32]byte]bool
	list [][]byte
}

// Add adds the values that the set does not contain yet.
func (e *Elements) Add(values ...[]byte) {
	if e.seen == nil {
		e.seen = map[[32]byte]bool{}
	}
	for _, v := range values {
		if sum := sha256.Sum256(v); !e.seen[sum] {
			e.seen[sum] = true
			e.list = append(e.list, v)
		}
	}
}

// List returns the values. The caller must not change the slice.
func (e *Elements) List() [][]byte { return e.list }

// Data is validation data to be stored in a signature.
type Data struct{ Certificates, OCSPs, CRLs Elements }

// Source gathers the validation data of a chain: certificates that are not in the chain, OCSP
// responses and CRLs, each in DER.
type Source interface {
	Gather(ctx context.Context, chain []*x509.Certificate) (certs, ocsps, crls [][]byte, err error)
}

// Gather returns the validation data of all chains, with the certificates of the chains themselves.
// others are the further certificates that source returned for each chain. Certificates that cannot
// be parsed are only in data. Errors are those of source.
func Gather(
	ctx context.Context, source Source, chains [][]*x509.Certificate,
) (data *Data, others [][]*x509.Certificate, err error) {
	data = &Data{}
	for _, chain := range chains {
		certs, ocsps, crls, err := source.Gather(ctx, chain)
		if err != nil {
			return nil, nil, err
		}
		for _, c := range chain {
			data.Certificates.Add(c.Raw)
		}
		data.Certificates.Add(certs...)
		data.OCSPs.Add(ocsps...)
		data.CRLs.Add(crls...)
		others = append(others, parsed(certs))
	}
	return data, others, nil
}

// parsed returns the certificates that can be parsed.
func parsed(certs [][]byte) []*x509.Certificate {
	var list []*x509.Certificate
	for _, der := range certs {
		if c, err := certchain.Parse(der); err == nil {
			list = append(list, c)
		}
	}
	return list
}
