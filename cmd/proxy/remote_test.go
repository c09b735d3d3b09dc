package main_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/signstash-proxy/signstash-proxy/hack/instance"
	"github.com/signstash-proxy/signstash-proxy/hack/signingservice/certstatus"
	"github.com/signstash-proxy/signstash-proxy/hack/signingservice/service"
	"github.com/signstash-proxy/signstash-proxy/hack/signingservice/tsa"
)

// remoteSide is the simulated remote side: signing service, timestamp authority, OCSP and CRLs at
// one address.
type remoteSide struct {
	*service.Service
	tsa    *tsa.Handler
	status *certstatus.Responder
	url    string
	root   string // PEM file

	authority *service.Authority
}

// newRemoteSide starts a remote side for the clients of the tests. Its credentials need no PIN
// unless o says otherwise.
func newRemoteSide(t *testing.T, o service.Options) *remoteSide {
	t.Helper()
	server := httptest.NewUnstartedServer(nil)
	r := &remoteSide{url: "http://" + server.Listener.Addr().String(), root: filepath.Join(t.TempDir(), "root.pem")}
	authority, err := service.NewAuthorityAt(r.url)
	if err != nil {
		t.Fatal(err)
	}
	o.Authority, r.authority = authority, authority
	if o.ClientServices == nil {
		o.ClientServices = clients
	}
	if o.Credentials == nil {
		o.Credentials = []service.Credential{{}}
	}
	if r.Service, err = service.New(o); err != nil {
		t.Fatal(err)
	}
	r.addTSA(t, authority)
	issuing, issuingKey := authority.Issuer()
	root, rootKey := authority.Root()
	r.status, err = certstatus.New(
		certstatus.Options{
			Issuers: []certstatus.Issuer{{Certificate: issuing, Key: issuingKey}, {Certificate: root, Key: rootKey}},
		},
	)
	if err != nil {
		t.Fatal(err)
	}
	write(t, r.root, authority.RootPEM())
	mux := http.NewServeMux()
	mux.Handle("/", r.Service)
	mux.Handle("/tsa", r.tsa)
	mux.Handle("/ocsp", r.status)
	mux.Handle("/ocsp/", r.status)
	mux.Handle("/crl/", r.status)
	server.Config.Handler = mux
	server.Start()
	t.Cleanup(func() {
		r.Close()
		server.CloseClientConnections()
		server.Close()
	})
	return r
}

func (r *remoteSide) addTSA(t *testing.T, authority *service.Authority) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := authority.Issue("Timestamp Authority", key.Public(), tsa.Purpose)
	if err != nil {
		t.Fatal(err)
	}
	issuing, _ := authority.Issuer()
	r.tsa, err = tsa.New(
		tsa.Options{Key: key, Certificate: certificate, Chain: []*x509.Certificate{issuing}, NoPurpose: certificate},
	)
	if err != nil {
		t.Fatal(err)
	}
}

// flags returns the flags of a proxy that signs with only the documented domain, and with
// timestamps and revocation data.
func (r *remoteSide) flags() []string {
	return append([]string{"--einvoice-integration-client.service.domain=" + r.url}, r.surroundings()...)
}

// surroundings returns the flags for timestamps and revocation data.
func (r *remoteSide) surroundings() []string {
	return []string{
		"--timestamp.urls=" + r.url + "/tsa",
		"--timestamp.ca-file=" + r.root,
		"--revocation.allow-private=127.0.0.1",
	}
}

// signHash returns the number of signHash calls, including refused ones.
func (r *remoteSide) signHash() int64 {
	var n int64
	for path, calls := range r.Counts().Calls {
		if strings.HasSuffix(path, "signatures/signHash") {
			n += calls
		}
	}
	return n
}

// testProxy is the built proxy with its own folders. A test can start it several times.
type testProxy struct {
	*instance.Instance
	o instance.Options
}

// newTestProxy prepares a proxy. start starts it.
func newTestProxy(t *testing.T, flags ...string) *testProxy {
	t.Helper()
	dir := t.TempDir()
	o := instance.Options{
		Binary: filepath.Join(build(t), "proxy"),
		Work:   filepath.Join(dir, "work"),
		State:  filepath.Join(dir, "state"),
		Log:    logFile(t, dir),
		Args:   flags,
	}
	if err := instance.WriteClients(o.Work, clients); err != nil {
		t.Fatal(err)
	}
	return &testProxy{o: o}
}

func (p *testProxy) start(t *testing.T) *testProxy {
	t.Helper()
	p.Instance = startInstance(t, p.o)
	return p
}

// configure writes the YAML file and names it in the flags.
func (p *testProxy) configure(t *testing.T, text string) *testProxy {
	t.Helper()
	file := filepath.Join(p.o.Work, "config.yaml")
	write(t, file, []byte(text))
	p.o.Args = append(p.o.Args, "--config="+file)
	return p
}

// file writes a secret to a file beside the client file and returns its path.
func (p *testProxy) file(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(p.o.Work, name)
	write(t, path, []byte(content))
	return path
}

// log returns the proxy's log so far.
func (p *testProxy) log(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(p.o.Log.(*os.File).Name())
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// metrics reads every sample of /metrics. The keys are names with labels.
func (p *testProxy) metrics(t *testing.T) map[string]float64 {
	t.Helper()
	out, err := metricsOf(p.Management)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func metricsOf(management string) (map[string]float64, error) {
	resp, err := http.Get(management + "/metrics")
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	out := map[string]float64{}
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		at := strings.LastIndexByte(line, ' ') // labels may contain spaces
		if v, err := strconv.ParseFloat(line[at+1:], 64); at > 0 && err == nil && !strings.HasPrefix(line, "#") {
			out[line[:at]] = v
		}
	}
	return out, nil
}

// metric returns one sample. The test fails if it does not exist.
func (p *testProxy) metric(t *testing.T, name string) float64 {
	t.Helper()
	v, ok := p.metrics(t)[name]
	if !ok {
		t.Fatalf("/metrics has no %s", name)
	}
	return v
}

// signatures reads the durable counters from the metrics: the number of digests for each outcome.
func (p *testProxy) signatures(t *testing.T) map[string]int64 {
	t.Helper()
	all, out := p.metrics(t), map[string]int64{}
	for _, outcome := range []string{"sent", "returned", "unknown", "refused"} {
		v, ok := all[`signstash_signatures_total{outcome="`+outcome+`"}`]
		if !ok {
			t.Fatalf("/metrics does not count signatures %s", outcome)
		}
		out[outcome] = int64(v)
	}
	return out
}

// until calls check until it is true, while another process works. The test fails if that takes
// more than three minutes.
func until(t *testing.T, what string, check func() bool) {
	t.Helper()
	for giveUp := time.Now().Add(3 * time.Minute); !check(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(giveUp) {
			t.Fatalf("%s: not within three minutes", what)
		}
	}
}

// safeTokens writes the first tokens of the account, as after its owner's consent.
func (r *remoteSide) safeTokens(t *testing.T, p *testProxy) string {
	t.Helper()
	access, refresh := r.SAFETokens()
	text, err := json.Marshal(map[string]string{"accessToken": access, "refreshToken": refresh})
	if err != nil {
		t.Fatal(err)
	}
	return p.file(t, "safe-tokens.json", string(text))
}

// safeConfig is the YAML entry of the simulated SAFE account.
func (r *remoteSide) safeConfig(t *testing.T, p *testProxy) string {
	t.Helper()
	return fmt.Sprintf(`providers:
- name: account
  kind: safe
  url: %s
  clientName: tests
  username: %s
  passwordFile: %s
  tokensFile: %s
  accountFile: %s
  accountKeyFile: %s
`, r.url+"/safe", service.SAFEUser, p.file(t, "safe-password", service.SAFEPassword), r.safeTokens(t, p),
		filepath.Join(p.o.Work, "account"), p.file(t, "account-key", strings.Repeat("0123456789abcdef", 4)))
}
