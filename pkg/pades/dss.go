package pades

import (
	"github.com/signstash-proxy/signstash-proxy/pkg/internal/evidence"
	"github.com/signstash-proxy/signstash-proxy/pkg/pdf"
)

// readStore reads the document security store of a document. It returns an empty set if the
// document has none.
func readStore(doc *pdf.Document) (*evidence.Set, error) {
	_, lists, err := storeLists(doc)
	if err != nil {
		return nil, err
	}
	s := &evidence.Set{}
	for i, add := range []func(der []byte){s.AddCertificate, s.AddOCSP, s.AddCRL} {
		if err := eachStream(doc, lists[i], maxKnown+maxAdded, add); err != nil {
			return nil, err
		}
	}
	return s, nil
}
