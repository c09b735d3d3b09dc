package xades

import (
	"testing"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing/formattest"
)

// TestConformance runs the suite of signing.Format. XAdES promises one insertion.
func TestConformance(t *testing.T) {
	k := testKeys()["P-256"]
	sig := signing.SignatureInfo{Type: signing.XAdES, Level: signing.LevelB}
	formattest.Run(t, formattest.Harness{
		Open:       func(*testing.T) signing.Format { return &Format{} },
		Credential: k.credential,
		Sign:       k.sign,
		Samples: []formattest.Sample{
			{Name: "document", Original: []byte(`<a><b>text</b></a>`), Signature: sig, Time: testTime},
			{Name: "empty root", Original: []byte(`<a b="c" />`), Signature: sig, Time: testTime},
		},
		Promise: formattest.Inserts,
	})
}
