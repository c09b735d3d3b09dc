package main_test

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/signstash-proxy/signstash-proxy/hack/signingservice/service"
	"github.com/signstash-proxy/signstash-proxy/hack/signingservice/tsa"
	"github.com/signstash-proxy/signstash-proxy/pkg/client"
	"github.com/signstash-proxy/signstash-proxy/pkg/pades"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// TestRemoteLevels signs with the built proxy by every protocol and at every level, and checks the
// results with independent verifiers.
func TestRemoteLevels(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name    string
		options service.Options
		config  func(*testing.T, *remoteSide, *testProxy) string // YAML; nil = only the documented domain
	}{
		{"CSC v2 at the domain", service.Options{}, nil},
		{"CSC v2, asynchronous, with PIN and ECDSA", service.Options{
			Asynchronous: true, Credentials: []service.Credential{{PIN: service.PIN, Key: service.ECDSAP256}},
		}, func(t *testing.T, r *remoteSide, p *testProxy) string {
			return r.cscConfig(t, p, "/csc/v2", service.PIN)
		}},
		{"CSC v1", service.Options{Credentials: []service.Credential{{PIN: service.PIN, Key: service.RSAPSS}}},
			func(t *testing.T, r *remoteSide, p *testProxy) string {
				return r.cscConfig(t, p, "/csc/v1", service.PIN)
			}},
		{
			"SAFE", service.Options{PendingPolls: -1},
			func(t *testing.T, r *remoteSide, p *testProxy) string { return r.safeConfig(t, p) },
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			remote := newRemoteSide(t, test.options)
			flags := remote.flags()
			if test.config != nil {
				flags = remote.surroundings()
			}
			p := newTestProxy(t, flags...)
			if test.config != nil {
				p.configure(t, test.config(t, remote, p))
			}
			p.start(t)
			for _, level := range []signing.Level{signing.LevelB, signing.LevelT, signing.LevelLT, signing.LevelLTA} {
				signAtLevel(t, p, remote.root, level)
			}
			if n := p.signatures(t); n["sent"] != 4 || n["returned"] != 4 || remote.Counts().Signatures != 4 {
				t.Errorf("counters are %v, %d signatures were made, want 4", n, remote.Counts().Signatures)
			}
		})
	}
}

// TestAuthorityWithoutIssuers checks that B-LT is reached with a timestamp authority that sends
// only its own certificate. The issuer is known from --timestamp.ca-file or from the chain of the
// signing credential.
func TestAuthorityWithoutIssuers(t *testing.T) {
	t.Parallel()
	for name, inFile := range map[string]bool{"issuer in the file": true, "issuer in the credential's chain": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			remote := newRemoteSide(t, service.Options{})
			remote.tsa.MisbehaveAlways(tsa.LeafAlone)
			flags := remote.flags()
			if inFile { // the key is a local one, from another CA
				issuing, _ := remote.authority.Issuer()
				cas := filepath.Join(t.TempDir(), "cas.pem")
				write(t, cas,
					append(remote.authority.RootPEM(), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: issuing.Raw})...))
				flags = append(remote.surroundings(), "--timestamp.ca-file="+cas)
			}
			p := newTestProxy(t, flags...).start(t)
			var signed memorySink
			op, err := newClient(
				t,
				p.Instance,
			).Sign(t.Context(), oneDocument(t, "lt", client.SignatureInfo{Level: "B-LT"}), &signed)
			if err != nil || op.Status != client.StatusExecuted || len(signed) != 1 {
				t.Fatalf("Sign = %+v, %v, want it signed", op, err)
			}
			report, err := pades.Verify(t.Context(), bytes.NewReader(signed[0].Bytes()), int64(signed[0].Len()),
				pades.VerifyOptions{})
			if err != nil || !report.Valid() || report.Signatures[0].Level != signing.LevelLT {
				t.Errorf("report = %+v, %v, want level B-LT", report, err)
			}
		})
	}
}

// cscConfig is a YAML entry for CSC at a path of the remote side.
func (r *remoteSide) cscConfig(t *testing.T, p *testProxy, path, pin string) string {
	t.Helper()
	return fmt.Sprintf(`providers:
- name: seal
  kind: csc
  url: %s%s
  tokenURL: %s/oauth2/authorization-server/oauth/token
  clientID: PRT.1-PRT.2-bob
  clientSecretFile: %s
  pinFile: %s
`, r.url, path, r.url, p.file(t, "csc-secret", clients["PRT.1-PRT.2-bob"]), p.file(t, "csc-pin", pin))
}

// sample is a small document of hack/samples.
const sample = "../../hack/samples/hybrid-xref.pdf"

// oneDocument is a request to sign the sample document.
func oneDocument(t *testing.T, reference string, s client.SignatureInfo) *client.Request {
	t.Helper()
	info, err := os.Stat(sample)
	if err != nil {
		t.Fatal(err)
	}
	s.Type = "PAdES"
	return &client.Request{
		Reference:   reference,
		Description: "d",
		Key:         reference,
		Signature:   s,
		Documents: []client.Document{
			{
				Reference:   reference,
				Name:        "d.pdf",
				ContentType: "application/pdf",
				Size:        info.Size(),
				Open:        func() (io.ReadCloser, error) { return os.Open(sample) },
			},
		},
	}
}

func signAtLevel(t *testing.T, p *testProxy, root string, level signing.Level) {
	t.Helper()
	var signed memorySink
	op, err := newClient(
		t,
		p.Instance,
	).Sign(t.Context(), oneDocument(t, "level "+string(level), client.SignatureInfo{Level: string(level)}), &signed)
	if err != nil || op.Status != client.StatusExecuted || len(signed) != 1 {
		t.Errorf("%s: %+v, %v, want it signed", level, op, err)
		return
	}
	checkSigned(t, root, signed[0].Bytes(), level)
}

// checkSigned checks that the content is the sample with one more signature of that level, and that
// independent verifiers accept it.
func checkSigned(t *testing.T, root string, signed []byte, level signing.Level) {
	t.Helper()
	pool := x509.NewCertPool()
	if pem, err := os.ReadFile(root); err != nil || !pool.AppendCertsFromPEM(pem) {
		t.Fatalf("root: %v", err)
	}
	report, err := pades.Verify(t.Context(), bytes.NewReader(signed), int64(len(signed)), pades.VerifyOptions{Roots: pool})
	if err != nil || !report.Valid() || report.Signatures[0].Level != level {
		t.Fatalf("our own check of %s says %+v, %v", level, report, err)
	}
	// Independent verifiers judge the signed revision only, because they treat later revisions as
	// changes or as a second signature.
	if err := verified(root, sample, signed[:report.Signatures[0].End]); err != nil {
		t.Errorf("%s: %v", level, err)
	}
}

// TestFirstClientsShape sends a request like that of an existing client program: three slashes,
// applyTimestamp, a visible signature at a coordinate, and no field that says whether it wants
// content.
func TestFirstClientsShape(t *testing.T) {
	t.Parallel()
	remote := newRemoteSide(t, service.Options{})
	p := newTestProxy(t, remote.flags()...).start(t)
	content, err := os.ReadFile(sample)
	if err != nil {
		t.Fatal(err)
	}
	body := `{"externalReference":"first","description":"Sign document","documents":[{"documentRequest":{"externalReference":"DocRef","name":"test.pdf",` +
		`"contentType":"application/pdf","base64Content":"` + encode(
		content,
	) + `"},"signatureInfo":{"signatureType":"PAdES","applyTimestamp":true,` +
		`"visibleSignatureInfo":{"locationType":"COORDINATE","locationValue":"page=1,x=100,y=500","area":"width=300,height=200",` +
		`"areaBackgroundColor":"transparent","templateType":"ONE_OFF","oneOffTemplate":"Signed by $certificate.getCommonName()"}}}]}`
	answer := post(t, p, "document/sign/base64///", body)
	if strings.Contains(string(answer.body), "error") {
		t.Errorf("the answer holds the word that this client takes for a failure: %.500s", answer.body)
	}
	signed := answer.signed(t)
	checkSigned(t, remote.root, signed, signing.LevelT)
	if !bytes.Contains(signed, []byte("/Rect [100 ")) {
		t.Error("the signed document has no widget at x=100")
	}
}

// TestNoTimestampAuthority checks that without a timestamp authority a level above B-B fails the
// document and spends no signature.
func TestNoTimestampAuthority(t *testing.T) {
	t.Parallel()
	remote := newRemoteSide(t, service.Options{})
	p := newTestProxy(t, "--einvoice-integration-client.service.domain="+remote.url).start(t)
	for _, s := range []client.SignatureInfo{{ApplyTimestamp: true}, {Level: "B-T"}, {Level: "B-LT"}, {Level: "B-LTA"}} {
		op, err := newClient(t, p.Instance).Sign(t.Context(), oneDocument(t, "no authority "+s.Level, s), new(memorySink))
		if err != nil || op.Status != client.StatusFailed ||
			!strings.Contains(op.Documents[0].Failure(), "TIMESTAMP_SIGN_ERROR") {
			t.Errorf("%+v: %+v, %v, want TIMESTAMP_SIGN_ERROR", s, op, err)
		}
	}
	if n := remote.Counts().Signatures; n != 0 {
		t.Errorf("%d signatures were spent, want none", n)
	}
}

// TestRemoteSideIsDownAtTheStart checks that the proxy is ready, accepts requests while the remote
// side is unreachable, and signs when the remote side is reachable.
func TestRemoteSideIsDownAtTheStart(t *testing.T) {
	t.Parallel()
	remote := newRemoteSide(t, service.Options{})
	front := httptest.NewUnstartedServer(
		http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { remote.ServeHTTP(w, r) }),
	)
	defer front.Close()
	address := "http://" + front.Listener.Addr().String() // it accepts connections and never answers
	p := newTestProxy(
		t,
		"--einvoice-integration-client.service.domain="+address,
		"--signing.retry.backoff=100ms",
		"--signing.tries=100",
	).start(t)
	c := newClient(t, p.Instance)
	if _, err := c.SignAsync(t.Context(), oneDocument(t, "early", client.SignatureInfo{})); err != nil {
		t.Fatal(err)
	}
	front.Start()
	if op, err := c.Wait(t.Context(), "early"); err != nil || op.Status != client.StatusExecuted {
		t.Errorf("Wait = %+v, %v, want it signed", op, err)
	}
}
