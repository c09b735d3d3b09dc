package xades

import (
	"testing"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing/formattest"
)

// TestConformance runs the suite of signing.Format at each level. XAdES promises one insertion.
func TestConformance(t *testing.T) {
	p := pkis()["P-256"]
	var samples []formattest.Sample
	for _, level := range levels {
		sig := signing.SignatureInfo{Type: signing.XAdES, Level: level}
		samples = append(samples,
			formattest.Sample{Name: "document " + string(level), Original: []byte(`<a><b>text</b></a>`), Signature: sig},
			formattest.Sample{Name: "empty root " + string(level), Original: []byte(`<a b="c" />`), Signature: sig})
	}
	formattest.Run(t, formattest.Harness{
		Open:       func(*testing.T) signing.Format { return &Format{Timestamper: p, Revocation: p} },
		Credential: p.Credential,
		Sign:       p.Sign,
		Samples:    samples,
		Promise:    formattest.Inserts,
	})
}
