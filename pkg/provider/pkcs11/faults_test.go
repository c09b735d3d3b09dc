//go:build pkcs11 && cgo

package pkcs11

import (
	"bytes"
	"context"
	"crypto/sha256"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
	"github.com/signstash-proxy/signstash-proxy/pkg/store/storetest"
)

// appended is a format whose section is the signature value of the document's digest.
type appended struct{ of *Provider }

func (appended) Prepare(_ context.Context, in signing.Input, _ *signing.Credential) (signing.Prepared, error) {
	content, err := io.ReadAll(io.NewSectionReader(in.File, 0, in.File.Size()))
	digest := sha256.Sum256(content)
	return signing.Prepared{Digest: digest[:]}, err
}

func (a appended) Embed(
	_ context.Context, in signing.Input, p signing.Prepared, value []byte,
) ([]byte, signing.Pieces, error) {
	return value, signing.Appended(in.File.Size(), int64(len(value))), a.CheckValue(p, value)
}

func (a appended) CheckValue(p signing.Prepared, value []byte) error {
	c, err := a.of.Credential(context.Background())
	if err != nil {
		return err
	}
	return signing.VerifyValue(c, p.Digest, value)
}

// TestFaultsOfTheToken checks the result of an operation when the token fails while the proxy runs,
// and that the counters account for everything that was sent. There are at most three attempts.
func TestFaultsOfTheToken(t *testing.T) {
	reset := func(t *testing.T, p *Provider) {
		if err := hsm.module.ctx.CloseAllSessions(p.connections.current.slot); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		name  string
		fault func(t *testing.T, p *Provider)
		kind  signing.Kind // of the failure; "-" = signed
		want  signing.Counters
	}{
		{"none", func(*testing.T, *Provider) {}, "-", signing.Counters{Sent: 1, Returned: 1}},
		{"sessions closed", reset, "-", signing.Counters{Sent: 1, Returned: 1}}, // opened again at once
		// The PIN is refused once. A second wrong PIN would bring the token nearer to its lock.
		{"PIN changed", func(t *testing.T, p *Provider) {
			reset(t, p)
			p.connections.cfg.PIN = "000000"
			lose(p)
		}, signing.KindProviderCredentials, signing.Counters{Sent: 1, Refused: 1}},
		{"token gone", func(t *testing.T, p *Provider) { // somebody may plug it in again
			reset(t, p)
			p.connections.cfg.TokenLabel = "gone"
			lose(p)
		}, signing.KindProvider, signing.Counters{Sent: 3, Refused: 3}},
		{"key gone", func(t *testing.T, p *Provider) {
			reset(t, p)
			p.connections.cfg.KeyLabel = "gone"
			lose(p)
		}, signing.KindConfiguration, signing.Counters{Sent: 1, Refused: 1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := open(t, Config{KeyLabel: "p256"})
			if _, err := p.Credential(t.Context()); err != nil {
				t.Fatal(err)
			}
			c.fault(t, p)
			doc, got := signThroughService(t, p)
			if signed := doc.State == signing.DocumentSigned; signed != (c.kind == "-") ||
				!signed && doc.Failure.Kind != c.kind {
				t.Errorf("document is %s, %+v, want %s", doc.State, doc.Failure, c.kind)
			}
			if got != c.want {
				t.Errorf("counters = %+v, want %+v", got, c.want)
			}
		})
	}
}

// signThroughService runs one operation with one document until it ends.
func signThroughService(t *testing.T, p *Provider) (signing.Document, signing.Counters) {
	t.Helper()
	store := storetest.NewMemory()
	opened := make(chan struct{})
	s := signing.New(signing.Config{
		Store: store, Formats: map[signing.SignatureType]signing.Format{signing.PAdES: appended{p}}, Log: logr.Discard(),
		Providers: func(string) (signing.Provider, error) { return p, nil }, Tries: 2, Backoff: time.Millisecond,
		Observer: signing.Observer{Opened: func() { close(opened) }},
	})
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- s.Start(ctx) }()
	defer func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("Start = %v", err)
		}
	}()
	<-opened
	up, err := s.NewUpload(ctx)
	if err != nil {
		t.Fatal(err)
	}
	content, err := up.Add(bytes.NewReader([]byte(strings.Repeat("a document ", 10))))
	if err != nil {
		t.Fatal(err)
	}
	op, _, err := s.Submit(
		ctx,
		up,
		signing.Submission{ClientService: "a", Contents: []signing.Content{content}, Request: signing.Request{
			ExternalReference: "r",
			Documents: []signing.DocumentRequest{
				{Signature: signing.SignatureInfo{Type: signing.PAdES, Level: signing.LevelB}},
			},
		}},
	)
	if err != nil {
		t.Fatal(err)
	}
	if op, err = s.Wait(ctx, op.ID); err != nil || !op.Status.Ended() {
		t.Fatalf("Wait = %s, %v", op.Status, err)
	}
	docs, err := s.Documents(ctx, op.ID, 0, 1)
	n, cerr := store.Counters(ctx)
	if err != nil || cerr != nil || len(docs) != 1 {
		t.Fatalf("Documents = %d, %v, Counters = %v", len(docs), err, cerr)
	}
	return docs[0], n
}
