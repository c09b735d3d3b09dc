package revocation

import (
	"bytes"
	"context"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ocsp"

	"github.com/signstash-proxy/signstash-proxy/hack/signingservice/certstatus"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

func TestGatherOCSP(t *testing.T) {
	for name, delegated := range map[string]bool{"issuer answers": false, "delegate answers": true} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, shape{delegated: delegated})
			certs, ocsps, crls, err := w.gatherer(t).Gather(t.Context(), w.chain())
			if err != nil {
				t.Fatal(err)
			}
			if len(ocsps) != 2 || len(crls) != 0 {
				t.Fatalf("%d OCSP responses and %d CRLs, want 2 and 0", len(ocsps), len(crls))
			}
			for i, c := range []struct{ cert, issuer *x509.Certificate }{{w.leaf, w.issuing}, {w.issuing, w.root}} {
				if r, err := ocsp.ParseResponseForCert(ocsps[i], c.cert, c.issuer); err != nil || r.Status != ocsp.Good {
					t.Errorf("OCSP response %d = %v, want a good one about its certificate", i, err)
				}
			}
			want := 0
			if delegated {
				want = 2
			}
			if len(certs) != want {
				t.Errorf("%d further certificates, want %d: those of the responders", len(certs), want)
			}
		})
	}
}

// TestGatherRudeOCSP checks that the CRL is used for any fault of OCSP, and that Gather fails when
// both have a fault.
func TestGatherRudeOCSP(t *testing.T) {
	for _, rude := range certstatus.Misbehaviours() {
		t.Run(string(rude), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, shape{})
			w.impatient(rude)
			w.responder.MisbehaveOCSP(rude)
			_, ocsps, crls, err := w.gatherer(t).Gather(t.Context(), w.chain())
			if err != nil || len(ocsps) != 0 || len(crls) != 2 {
				t.Fatalf("Gather = %d OCSP responses, %d CRLs, %v; want 2 CRLs", len(ocsps), len(crls), err)
			}
			w.responder.MisbehaveCRL(certstatus.NotFound)
			_, ocsps, crls, err = w.gatherer(t).Gather(t.Context(), w.chain())
			if e := signing.AsError(err); err == nil || e.Kind != signing.KindRevocation || !e.Retry || ocsps != nil ||
				crls != nil {
				t.Errorf("Gather = %v, want KindRevocation and a retry", err)
			}
			if w.elsewheres.Load() != 0 {
				t.Error("a redirect was followed")
			}
		})
	}
}

func TestGatherRudeCRL(t *testing.T) {
	for _, rude := range certstatus.CRLMisbehaviours() {
		t.Run(string(rude), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, shape{noOCSP: true})
			w.impatient(rude)
			w.responder.MisbehaveCRL(rude)
			if _, _, crls, err := w.gatherer(t).Gather(t.Context(), w.chain()); signing.KindOf(err) != signing.KindRevocation ||
				crls != nil {
				t.Errorf("Gather = %d CRLs, %v; want KindRevocation", len(crls), err)
			}
			if w.elsewheres.Load() != 0 {
				t.Error("a redirect was followed")
			}
		})
	}
}

func TestGatherWithoutNextUpdate(t *testing.T) {
	w := newWorld(t, shape{noCRL: true})
	w.responder.MisbehaveOCSP(certstatus.NoUpdate)
	if _, ocsps, _, err := w.gatherer(t).Gather(t.Context(), w.chain()); err != nil || len(ocsps) != 2 {
		t.Errorf("Gather = %d OCSP responses, %v; want 2", len(ocsps), err)
	}
}

// TestGatherRevoked checks that a revoked certificate is an error whether OCSP or the CRL says so,
// and that no other source is asked after that.
func TestGatherRevoked(t *testing.T) {
	for name, s := range map[string]shape{"OCSP": {}, "CRL": {noOCSP: true}} {
		for _, which := range []string{"leaf", "issuing"} {
			w := newWorld(t, s)
			w.responder.Revoke(map[string]*x509.Certificate{"leaf": w.leaf, "issuing": w.issuing}[which])
			if _, _, _, err := w.gatherer(t).Gather(t.Context(), w.chain()); signing.KindOf(err) != signing.KindCertificate ||
				signing.AsError(err).Retry {
				t.Errorf("%s, %s revoked: Gather = %v, want KindCertificate without retry", name, which, err)
			}
			if name == "OCSP" && w.responder.Requests("/crl") != 0 {
				t.Errorf("%s, %s revoked: a CRL was asked as well", name, which)
			}
		}
	}
}

func TestGatherIssuer(t *testing.T) {
	w := newWorld(t, shape{issuerURL: true})
	g := w.gatherer(t)
	for range 2 {
		// the chain lacks the issuing certificate
		certs, ocsps, _, err := g.Gather(t.Context(), []*x509.Certificate{w.leaf, w.root})
		if err != nil || len(ocsps) != 2 || len(certs) != 1 || !bytes.Equal(certs[0], w.issuing.Raw) {
			t.Errorf("Gather = %d certificates, %d OCSP responses, %v; want the issuer's certificate and 2",
				len(certs), len(ocsps), err)
		}
	}
	if n := w.issuerFetches.Load(); n != 1 {
		t.Errorf("the issuer's certificate was fetched %d times, want once", n)
	}
	// The chain may come in any order and without the root. The issuer of the issuing certificate is
	// then the certificate that the validator trusts.
	if _, ocsps, _, err := g.Gather(t.Context(), []*x509.Certificate{w.leaf, w.root, w.issuing}); err != nil ||
		len(ocsps) != 2 {
		t.Errorf("Gather out of order = %d OCSP responses, %v; want 2", len(ocsps), err)
	}
	if _, ocsps, _, err := g.Gather(t.Context(), []*x509.Certificate{w.leaf, w.issuing}); err != nil || len(ocsps) != 1 {
		t.Errorf("Gather without root = %d OCSP responses, %v; want 1", len(ocsps), err)
	}
}

func TestGatherImpossible(t *testing.T) {
	w := newWorld(t, shape{noOCSP: true, noCRL: true})
	for name, chain := range map[string][]*x509.Certificate{
		"nothing": nil, "no source": w.chain(), "no issuer": {w.leaf},
	} {
		if _, _, _, err := w.gatherer(t).Gather(t.Context(), chain); signing.KindOf(err) != signing.KindRevocation ||
			signing.AsError(err).Retry {
			t.Errorf("%s: Gather = %v, want KindRevocation without retry", name, err)
		}
	}
	if _, ocsps, crls, err := w.gatherer(t).Gather(t.Context(), []*x509.Certificate{w.root}); err != nil || ocsps != nil ||
		crls != nil {
		t.Errorf("Gather of a root = %v, want nothing and no error", err)
	}
}

func TestGatherLocalCRL(t *testing.T) {
	w := newWorld(t, shape{noOCSP: true, noCRL: true})
	w.cfg.Local = w.local(t, makeCRL(t, w, nil))
	if _, _, crls, err := w.gatherer(t).Gather(t.Context(), w.chain()); err != nil || len(crls) != 2 {
		t.Errorf("Gather = %d CRLs, %v; want 2", len(crls), err)
	}
}

var oidIssuingDistributionPoint = asn1.ObjectIdentifier{2, 5, 29, 28}

// TestCRLScope checks that a CRL proves nothing about a certificate that it does not cover.
func TestCRLScope(t *testing.T) {
	extension := func(critical bool, oid asn1.ObjectIdentifier, value []byte) func(l *x509.RevocationList) {
		return func(l *x509.RevocationList) {
			l.ExtraExtensions = []pkix.Extension{{Id: oid, Critical: critical, Value: value}}
		}
	}
	point := func(url string) []byte {
		names := tlv(0xa0, tlv(0xa0, tlv(0x86, []byte(url))))
		return tlv(0x30, names)
	}
	for name, c := range map[string]struct {
		change func(l *x509.RevocationList)
		want   signing.Kind
		ok     bool
	}{
		"everything":   {nil, "", true},
		"only users":   {extension(true, oidIssuingDistributionPoint, []byte{0x30, 3, 0x81, 1, 0xff}), "", true},
		"its point":    {extension(true, oidIssuingDistributionPoint, point("http://here/crl")), "", true},
		"not critical": {extension(false, asn1.ObjectIdentifier{1, 2, 3}, []byte{5, 0}), "", true},
		"only CAs": {
			extension(true, oidIssuingDistributionPoint, []byte{0x30, 3, 0x82, 1, 0xff}), signing.KindRevocation, false,
		},
		"some reasons": {
			extension(true, oidIssuingDistributionPoint, []byte{0x30, 4, 0x83, 2, 6, 0x40}), signing.KindRevocation, false,
		},
		"indirect": {
			extension(true, oidIssuingDistributionPoint, []byte{0x30, 3, 0x84, 1, 0xff}), signing.KindRevocation, false,
		},
		"another point": {
			extension(true, oidIssuingDistributionPoint, point("http://there/crl")), signing.KindRevocation, false,
		},
		"delta": {
			extension(true, asn1.ObjectIdentifier{2, 5, 29, 27}, []byte{2, 1, 1}), signing.KindRevocation, false,
		},
		"malformed point":   {extension(true, oidIssuingDistributionPoint, []byte{0x30, 9}), signing.KindRevocation, false},
		"unknown, critical": {extension(true, asn1.ObjectIdentifier{1, 2, 3}, []byte{5, 0}), signing.KindRevocation, false},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, shape{
				noOCSP: true,
				noCRL:  true,
				change: func(c *x509.Certificate) { c.CRLDistributionPoints = []string{"http://here/crl"} },
			})
			w.cfg.Local = w.local(t, makeCRL(t, w, c.change))
			w.cfg.AllowPrivate = nil // the host "here" must not be called
			if _, _, _, err := w.gatherer(t).Gather(t.Context(), w.chain()); (err == nil) != c.ok ||
				signing.KindOf(err) != c.want {
				t.Errorf("Gather = %v, want success %v, kind %q", err, c.ok, c.want)
			}
		})
	}
}

func tlv(tag byte, content []byte) []byte { return append([]byte{tag, byte(len(content))}, content...) }

func TestLists(t *testing.T) {
	w := newWorld(t, shape{})
	revoked := func(n ...int64) func(l *x509.RevocationList) {
		return func(l *x509.RevocationList) {
			for _, serial := range n {
				l.RevokedCertificateEntries = append(l.RevokedCertificateEntries,
					x509.RevocationListEntry{SerialNumber: big.NewInt(serial), RevocationTime: time.Now()})
			}
		}
	}
	for _, c := range []struct {
		der    []byte
		serial int64
		want   bool
	}{
		{makeCRL(t, w, nil), 5, false}, {makeCRL(t, w, revoked(5)), 5, true}, {makeCRL(t, w, revoked(1, 2, 300, 5)), 5, true},
		{makeCRL(t, w, revoked(1, 50)), 5, false},
	} {
		if got, err := lists(c.der, big.NewInt(c.serial)); err != nil || got != c.want {
			t.Errorf("lists(%d) = %v, %v; want %v", c.serial, got, err, c.want)
		}
	}
}

// TestGatherKeeps checks that Gather asks nobody for the second document of a chain, and asks only
// once for documents at the same time. One chain signs thousands of documents.
func TestGatherKeeps(t *testing.T) {
	w := newWorld(t, shape{noCRL: true})
	g := w.gatherer(t)
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			if _, _, _, err := g.Gather(t.Context(), w.chain()); err != nil {
				t.Errorf("Gather = %v", err)
			}
		})
	}
	all.Wait()
	if n := w.responder.Requests("/ocsp"); n != 2 {
		t.Errorf("%d OCSP requests for 50 documents of one chain, want 2", n)
	}
}

func TestGatherRemembersFailures(t *testing.T) {
	w := newWorld(t, shape{noCRL: true})
	w.responder.MisbehaveOCSP(certstatus.Unavailable)
	g := w.gatherer(t)
	for range 5 {
		if _, _, _, err := g.Gather(t.Context(), w.chain()); err == nil {
			t.Error("Gather = nil, want an error")
		}
	}
	if n := w.responder.Requests("/ocsp"); n != 1 {
		t.Errorf("%d requests to a failing responder, want 1", n)
	}
}

// TestGatherCancelled checks that a caller that gives up returns at once, and that other callers
// still get the answer.
func TestGatherCancelled(t *testing.T) {
	w := newWorld(t, shape{noCRL: true})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, _, err := w.gatherer(t).Gather(ctx, w.chain()); signing.KindOf(err) != signing.KindRevocation ||
		!signing.AsError(err).Retry {
		t.Errorf("Gather = %v, want KindRevocation and a retry", err)
	}
}

func TestCacheIsBounded(t *testing.T) {
	var c cache
	now := time.Now()
	for i := range 3 * maxKept {
		c.put(string(rune(i)), entry{size: 1 << 10, until: now.Add(time.Duration(i+1) * time.Second)})
	}
	if len(c.entries) != maxKept || c.bytes != maxKept<<10 {
		t.Errorf("%d entries with %d bytes, want %d with %d", len(c.entries), c.bytes, maxKept, maxKept<<10)
	}
	c.put("large", entry{size: maxKeptBytes, until: now.Add(time.Hour)})
	if len(c.entries) != 1 || c.bytes != maxKeptBytes {
		t.Errorf("%d entries with %d bytes after a large one, want 1 with %d", len(c.entries), c.bytes, maxKeptBytes)
	}
	if _, ok := c.get("large", now.Add(time.Hour)); ok || len(c.entries) != 0 || c.bytes != 0 {
		t.Errorf("an entry is there after its time: %d entries, %d bytes", len(c.entries), c.bytes)
	}
}

// TestGatherUsesKnownIssuers checks that configured issuers complete the path without a request,
// when a TSA sends only its own certificate.
func TestGatherUsesKnownIssuers(t *testing.T) {
	w := newWorld(t, shape{issuerURL: true})
	w.cfg.Issuers = func() []*x509.Certificate { return []*x509.Certificate{w.root, w.issuing} }
	certs, ocsps, _, err := w.gatherer(t).Gather(t.Context(), []*x509.Certificate{w.leaf})
	if err != nil || len(ocsps) != 2 || w.issuerFetches.Load() != 0 {
		t.Fatalf("Gather = %d OCSP responses, %v, with %d requests for issuers; want 2 and none",
			len(ocsps), err, w.issuerFetches.Load())
	}
	for _, want := range []*x509.Certificate{w.issuing, w.root} {
		if !slices.ContainsFunc(certs, func(der []byte) bool { return bytes.Equal(der, want.Raw) }) {
			t.Errorf("Gather does not return the certificate of %s", want.Subject)
		}
	}
}

// TestGatherTakesTheValidPath checks that the certificate on the valid path is chosen, in any
// order, when the issuer has two certificates.
func TestGatherTakesTheValidPath(t *testing.T) {
	w := newWorld(t, shape{})
	oldKey := newKey(t)
	expired := func(c *x509.Certificate) *x509.Certificate {
		c.NotBefore, c.NotAfter = time.Now().Add(-48*time.Hour), time.Now().Add(-time.Hour)
		return c
	}
	old := certify(t, expired(ca("old root")), nil, oldKey.Public(), oldKey)
	template := expired(ca("cross"))
	template.RawSubject = w.issuing.RawSubject
	cross := certify(t, template, old, w.issuingKey.Public(), oldKey)
	_, ocsps, _, err := w.gatherer(t).Gather(t.Context(), []*x509.Certificate{w.leaf, cross, old, w.issuing, w.root})
	if err != nil || len(ocsps) != 2 {
		t.Errorf("Gather = %d OCSP responses, %v; want 2: for the leaf and for its valid issuer", len(ocsps), err)
	}
}

func TestGatherNamesTheMissingIssuer(t *testing.T) {
	w := newWorld(t, shape{})
	_, _, _, err := w.gatherer(t).Gather(t.Context(), []*x509.Certificate{w.leaf, w.root})
	if e := signing.AsError(err); e.Kind != signing.KindRevocation ||
		!strings.Contains(e.Detail, w.issuing.Subject.CommonName) {
		t.Errorf("Gather = %v, want KindRevocation that names %s", err, w.issuing.Subject)
	}
}
