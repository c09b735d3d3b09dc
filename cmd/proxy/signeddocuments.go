package main

import (
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
	"github.com/signstash-proxy/signstash-proxy/pkg/status"
)

// signatureTypes are the types of signatures in the order in which the status page shows them.
var signatureTypes = []signing.SignatureType{signing.PAdES, signing.XAdES, signing.CAdES}

// signedDocuments counts the documents that this process signed, by the type of the signature. The
// metric and the status page show the same counts. It is safe for concurrent use.
type signedDocuments struct {
	counts map[signing.SignatureType]*atomic.Int64 // never changes after the creation
}

func newSignedDocuments(r prometheus.Registerer) *signedDocuments {
	s := &signedDocuments{counts: make(map[signing.SignatureType]*atomic.Int64, len(signatureTypes))}
	for _, t := range signatureTypes {
		n := new(atomic.Int64)
		s.counts[t] = n
		r.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "signstash_documents_signed_total", Help: "Documents that were signed, by type of signature.",
			ConstLabels: prometheus.Labels{"type": string(t)},
		}, func() float64 { return float64(n.Load()) }))
	}
	return s
}

// add counts a signed document.
func (s *signedDocuments) add(t signing.SignatureType) {
	if n := s.counts[t]; n != nil {
		n.Add(1)
	}
}

// list returns the counts for the status page.
func (s *signedDocuments) list() []status.Count {
	list := make([]status.Count, len(signatureTypes))
	for i, t := range signatureTypes {
		list[i] = status.Count{Name: string(t), Value: s.counts[t].Load()}
	}
	return list
}
