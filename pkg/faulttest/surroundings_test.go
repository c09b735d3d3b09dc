package faulttest

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-logr/logr"

	"github.com/signstash-proxy/signstash-proxy/hack/signingservice/certstatus"
	"github.com/signstash-proxy/signstash-proxy/hack/signingservice/pipenet"
	"github.com/signstash-proxy/signstash-proxy/hack/signingservice/service"
	"github.com/signstash-proxy/signstash-proxy/hack/signingservice/tsa"
	"github.com/signstash-proxy/signstash-proxy/pkg/pades"
	"github.com/signstash-proxy/signstash-proxy/pkg/revocation"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
	"github.com/signstash-proxy/signstash-proxy/pkg/timestamp"
)

// surround adds the services that levels above B-B need in addition to the signing service.
func (p *pipeline) surround(t *testing.T, authority *service.Authority) *pades.Format {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := authority.Issue("Timestamp Authority", key.Public(), tsa.Purpose)
	if err != nil {
		t.Fatal(err)
	}
	unfit, err := authority.Issue("No Timestamp Authority", key.Public(), nil)
	if err != nil {
		t.Fatal(err)
	}
	issuing, issuingKey := authority.Issuer()
	root, rootKey := authority.Root()
	chain := []*x509.Certificate{issuing}
	p.tsa, err = tsa.New(tsa.Options{Key: key, Certificate: certificate, Chain: chain, NoPurpose: unfit})
	if err != nil {
		t.Fatal(err)
	}
	p.status, err = certstatus.New(
		certstatus.Options{
			Issuers: []certstatus.Issuer{{Certificate: issuing, Key: issuingKey}, {Certificate: root, Key: rootKey}},
		},
	)
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/tsa", p.tsa)
	mux.Handle("/", p.status)
	client, stop := pipenet.Serve(mux)
	p.closers = append(p.closers, stop)
	stamps, err := timestamp.New(timestamp.Config{
		Authorities: []timestamp.Authority{
			{URL: "http://status.invalid/tsa"},
		},
		HTTP:    client,
		Trusted: []*x509.Certificate{root},
		Log:     logr.Discard(),
	})
	if err != nil {
		t.Fatal(err)
	}
	gatherer, err := revocation.New(revocation.Config{HTTP: client, Log: logr.Discard()})
	if err != nil {
		t.Fatal(err)
	}
	p.timestampReady = stamps.Ready
	return &pades.Format{Timestamper: stamps, Revocation: gatherer}
}

// unfinished are documents whose signature values exist. The values are kept through every attempt,
// so they are paid once.
func unfinished(signError string) outcome {
	d := "ERROR_SIGNING " + signError
	return outcome{status: "EXECUTION_FAILED", documents: [3]string{d, d, d}, made: 3, sent: 3, returned: 3}
}

// TestTimestampMatrix checks that no signature is spent while a timestamp authority is out of
// order. A permanent fault fails the documents; a passing fault is retried. A fault that a probe
// has found costs no document an attempt.
func TestTimestampMatrix(t *testing.T) {
	for _, r := range tsa.Misbehaviours() {
		stays, passes := failed("TIMESTAMP_SIGN_ERROR", 0, 0, 0, 0), atOnce
		if r == tsa.WrongPolicy {
			stays = atOnce // no policy was requested
		}
		for name, c := range map[string]struct {
			rude func(*tsa.Handler)
			want outcome
		}{
			"each": {func(h *tsa.Handler) { h.MisbehaveAlways(r) }, stays},
			"once": {func(h *tsa.Handler) { h.Misbehave(r) }, passes},
		} {
			t.Run(fmt.Sprintf("%s %s", r, name), func(t *testing.T) {
				t.Parallel()
				v := variants[cscV2]
				v.level = signing.LevelT
				synctest.Test(t, func(t *testing.T) {
					runSurrounded(t, v, c.want, func(p *pipeline) { c.rude(p.tsa) }, func(p *pipeline) { p.tsa.Misbehave() })
				})
			})
		}
	}
}

// TestRevocationMatrix checks that OCSP and CRLs replace each other. If both fail, the documents
// fail and are not signed a second time.
func TestRevocationMatrix(t *testing.T) {
	for _, r := range certstatus.Misbehaviours() {
		for name, c := range map[string]struct {
			ocsp, crl certstatus.Misbehaviour
			want      outcome
		}{
			"OCSP":             {r, certstatus.Polite, atOnce},
			"OCSP, and no CRL": {r, certstatus.NotFound, unfinished(serviceFault)},
			"CRL":              {certstatus.Polite, r, atOnce},
			"CRL, and no OCSP": {certstatus.Unavailable, r, unfinished(serviceFault)},
		} {
			if c.crl != certstatus.Polite && !knownToCRLs(c.crl) {
				continue
			}
			t.Run(fmt.Sprintf("%s %s", r, name), func(t *testing.T) {
				t.Parallel()
				v := variants[cscV2]
				v.level = signing.LevelLT
				synctest.Test(t, func(t *testing.T) {
					runSurrounded(t, v, c.want, func(p *pipeline) {
						p.status.MisbehaveOCSP(c.ocsp)
						p.status.MisbehaveCRL(c.crl)
					}, func(p *pipeline) {
						p.status.MisbehaveOCSP(certstatus.Polite)
						p.status.MisbehaveCRL(certstatus.Polite)
					})
				})
			})
		}
	}
}

func knownToCRLs(r certstatus.Misbehaviour) bool {
	for _, known := range certstatus.CRLMisbehaviours() {
		if known == r {
			return true
		}
	}
	return false
}

// runSurrounded runs a request while a service has a fault, and one after the fault.
func runSurrounded(t *testing.T, v variant, want outcome, rude, polite func(*pipeline)) {
	p := openPipeline(t, v)
	defer p.close()
	rude(p)
	p.wantRequest(t, "rude", want)
	polite(p)
	time.Sleep(2 * time.Hour) // fake clock; delayed retries are due and cached values have expired
	p.wantRequest(t, "polite", atOnce)
	p.wantNothingLeft(t, 2)
}

// misreporting is a store whose Create reports an error, whether it stored the operation or not.
type misreporting struct {
	signing.Store
	stores bool
	left   int
}

func (m *misreporting) Create(
	ctx context.Context, up signing.Upload, n signing.NewOperation,
) (signing.Operation, error) {
	if m.left == 0 {
		return m.Store.Create(ctx, up, n)
	}
	m.left--
	if m.stores {
		if op, err := m.Store.Create(ctx, up, n); err != nil {
			return op, err
		}
	}
	return signing.Operation{}, signing.Errorf(signing.KindStorage, "storage failed").Retryable(0)
}

// TestCreateMisreported checks that an operation on disk is signed and its client is told so,
// whatever error the commit reported. An operation that is not on disk was never accepted and takes
// no room.
func TestCreateMisreported(t *testing.T) {
	for _, stores := range []bool{true, false} {
		t.Run(fmt.Sprintf("stored %v", stores), func(t *testing.T) {
			v := variants[cscV2]
			v.disk = func(s signing.Store) signing.Store { return &misreporting{Store: s, stores: stores, left: 1} }
			synctest.Test(t, func(t *testing.T) {
				p := openPipeline(t, v)
				defer p.close()
				if stores {
					p.wantRequest(t, "reported", atOnce)
				} else if _, status := p.exchange(t, "reported"); status != http.StatusInternalServerError {
					t.Errorf("status = %d, want 500", status)
				}
				if !stores {
					p.wantRequest(t, "reported", atOnce) // the reference is free
				}
				p.wantNothingLeft(t, 1)
			})
		})
	}
}
