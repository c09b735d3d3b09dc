package lenient_test

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"testing"

	"github.com/signstash-proxy/signstash-proxy/pkg/internal/lenient"
	"github.com/signstash-proxy/signstash-proxy/pkg/internal/servertest"
)

func TestChain(t *testing.T) {
	leaf, issuer, root, _ := servertest.Chain(t)
	b64 := func(c *x509.Certificate) string { return base64.StdEncoding.EncodeToString(c.Raw) }
	pemOf := func(c *x509.Certificate) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw}))
	}
	broken := func(c *x509.Certificate) string {
		s := b64(c)
		return s[:60] + "\r\n " + s[60:]
	}
	url := func(c *x509.Certificate) string { return base64.RawURLEncoding.EncodeToString(c.Raw) }
	twice := func(c *x509.Certificate) string { return base64.StdEncoding.EncodeToString([]byte(b64(c))) }
	cases := []struct {
		name  string
		texts []string
		want  []*x509.Certificate
	}{
		{"in order", []string{b64(leaf), b64(issuer), b64(root)}, []*x509.Certificate{leaf, issuer, root}},
		{"out of order", []string{pemOf(leaf), url(root), broken(issuer)}, []*x509.Certificate{leaf, issuer, root}},
		{"leaf last", []string{b64(root), b64(root), b64(issuer), b64(leaf)}, []*x509.Certificate{leaf, issuer, root}},
		{"duplicates", []string{b64(leaf), b64(leaf), b64(issuer), b64(issuer)}, []*x509.Certificate{leaf, issuer}},
		{"without root", []string{twice(leaf), twice(issuer)}, []*x509.Certificate{leaf, issuer}},
		{"leaf alone", []string{b64(leaf)}, []*x509.Certificate{leaf}},
		{"none", nil, nil},
		{"not base64", []string{"***"}, nil},
		{"not a certificate", []string{"MAA="}, nil},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got, err := lenient.Chain(c.texts)
			if (err != nil) != (c.want == nil) || len(got) != len(c.want) {
				t.Fatalf("Chain = %d certificates, %v; want %d", len(got), err, len(c.want))
			}
			for i := range got {
				if !got[i].Equal(c.want[i]) {
					t.Errorf("certificate %d is %s, want %s", i, got[i].Subject, c.want[i].Subject)
				}
			}
		})
	}
}

func TestJSON(t *testing.T) {
	var v struct {
		N lenient.Number
		L lenient.List
		W lenient.Word
	}
	for text, want := range map[string]string{
		`{"N":"2147483648","L":"one","W":true}`: `{"N":2147483647,"L":["one"],"W":"true"}`,
		`{"N":3.0,"L":["a","b"],"W":2}`:         `{"N":3,"L":["a","b"],"W":"2"}`,
		`{"N":null,"L":null,"W":null}`:          `{"N":0,"L":[],"W":""}`,
		`{}`:                                    `{"N":0,"L":null,"W":""}`,
		`{"N":"-1e99","L":[],"W":"x"}`:          `{"N":-2147483648,"L":[],"W":"x"}`,
	} {
		v.N, v.L, v.W = 0, nil, ""
		if err := json.Unmarshal([]byte(text), &v); err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got, _ := json.Marshal(v); string(got) != want {
			t.Errorf("%s was read as %s, want %s", text, got, want)
		}
	}
	for _, bad := range []string{`{"N":"many"}`, `{"N":"NaN"}`, `{"L":7}`, `{"L":[1]}`} {
		if json.Unmarshal([]byte(bad), &v) == nil {
			t.Errorf("%s was read", bad)
		}
	}
}

func FuzzChain(f *testing.F) {
	leaf, issuer, _, _ := servertest.Chain(f)
	f.Add(base64.StdEncoding.EncodeToString(leaf.Raw), base64.StdEncoding.EncodeToString(issuer.Raw))
	f.Add("-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----", "TUFBPQ==")
	f.Fuzz(func(t *testing.T, a, b string) {
		chain, err := lenient.Chain([]string{a, b})
		if (err == nil) != (len(chain) > 0) {
			t.Errorf("Chain = %d certificates, %v", len(chain), err)
		}
	})
}
