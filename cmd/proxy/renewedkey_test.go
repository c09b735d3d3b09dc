package main_test

import (
	"crypto/rand"
	"slices"
	"testing"

	"github.com/signstash-proxy/signstash-proxy/hack/signingservice/service"
	"github.com/signstash-proxy/signstash-proxy/hack/signingservice/tsa"
	"github.com/signstash-proxy/signstash-proxy/pkg/client"
)

// TestKeyIsRenewed checks a service that renews its key and certificate under the same credential.
// This costs one call, which is counted, and no document fails.
func TestKeyIsRenewed(t *testing.T) {
	t.Parallel()
	remote := newRemoteSide(t, service.Options{Credentials: []service.Credential{{Multisign: 10}}})
	p := newTestProxy(t, remote.flags()...).start(t)
	until(t, "the credential is read",
		func() bool { return p.metrics(t)[`signstash_credential_readable{credential="service-domain"}`] == 1 })
	if err := remote.RenewCredentials(); err != nil {
		t.Fatal(err)
	}
	c := newClient(t, p.Instance)
	if _, err := c.SignAsync(t.Context(), killRequest(slices.Repeat(samplesInTurn(t)[:1], 60))); err != nil {
		t.Fatal(err)
	}
	op, err := c.Wait(t.Context(), "killed")
	if err == nil {
		op, err = c.Detail(t.Context(), "killed", nil)
	}
	if err != nil || op.Status != client.StatusExecuted {
		t.Fatalf("operation = %+v, %v, want it executed", op, err)
	}
	for _, d := range op.Documents {
		if d.SignStatus != client.Signed {
			t.Errorf("document %s: %s, want it signed", d.Reference, d.Failure())
		}
	}
	made := remote.Counts().Signatures
	if n := p.signatures(t); n["unknown"] != 10 || n["sent"] != 70 || n["returned"] != 60 || int64(made) != 70 {
		t.Errorf("signatures = %v, %d made; want the 10 of one call unknown, 70 sent and made", n, made)
	}
}

// TestNoAuthorityThatWorks checks that while every timestamp authority is out of order, a document
// that needs a timestamp fails and spends no signature.
func TestNoAuthorityThatWorks(t *testing.T) {
	t.Parallel()
	remote := newRemoteSide(t, service.Options{})
	remote.tsa.MisbehaveAlways(tsa.Rejection)
	p := newTestProxy(t, append(remote.flags(), "--signing.tries=1", "--signing.retry.backoff=10ms")...).start(t)
	c := newClient(t, p.Instance)
	op, err := c.Sign(t.Context(), oneDocument(t, "stamped", client.SignatureInfo{ApplyTimestamp: true}), new(memorySink))
	if err != nil || op.Status != client.StatusFailed || op.Documents[0].SignError != "TIMESTAMP_SIGN_ERROR" {
		t.Errorf("Sign = %+v, %v, want TIMESTAMP_SIGN_ERROR", op, err)
	}
	if n := remote.Counts().Signatures; n != 0 {
		t.Errorf("%d signatures were spent, want none", n)
	}
	remote.tsa.MisbehaveAlways(tsa.Polite)
	until(t, "the authority is asked again", func() bool {
		op, err := c.Sign(t.Context(), oneDocument(t, rand.Text(), client.SignatureInfo{ApplyTimestamp: true}),
			new(memorySink))
		return err == nil && op.Status == client.StatusExecuted
	})
}
