package main_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/signstash-proxy/signstash-proxy/pkg/affinity"
)

const api = "/signstash/einvoice-integration-client-ws/api/v0/"

// fleet is several instances that know each other through a peers file like the one that the
// controller writes.
type fleet struct {
	proxies []*testProxy
	peers   string
	dir     affinity.Directory
}

// newFleet starts three instances. They sign at one remote side, which counts the signatures.
func newFleet(t *testing.T, remote *remoteSide, flags ...string) *fleet {
	t.Helper()
	f := startFleet(t, remote, flags...)
	f.publish(t)
	f.waitForHomes(t)
	return f
}

// startFleet is newFleet before the instances know each other.
func startFleet(t *testing.T, remote *remoteSide, flags ...string) *fleet {
	t.Helper()
	dir := t.TempDir()
	f := &fleet{peers: filepath.Join(dir, "endpoints.json"), dir: affinity.Directory{Expected: 3, Ever: 4}}
	key := filepath.Join(dir, "token.key")
	write(t, key, []byte(strings.Repeat("k", 40)))
	write(t, f.peers, []byte("{}")) // no instance knows another one before all have started
	for i := range 3 {
		all := append([]string{
			"--affinity.peers.file=" + f.peers,
			fmt.Sprint("--instance.ordinal=", i),
			fmt.Sprint("--instance.uid=uid-", i),
			"--token.signing.key=" + key,
		}, remote.flags()...)
		p := newTestProxy(t, append(all, flags...)...).start(t)
		f.proxies = append(f.proxies, p)
		address, err := url.Parse(p.URL)
		if err != nil {
			t.Fatal(err)
		}
		f.dir.Endpoints = append(f.dir.Endpoints, affinity.Published{
			Name:     fmt.Sprint("proxy-", i),
			Ordinal:  i,
			Instance: fmt.Sprint("uid-", i),
			Host:     "127.0.0.1",
			Port:     port(t, address.Port()),
			Internal: address.Host,
		})
	}
	return f
}

// waitForHomes waits until all instances decide about the keys whose home they are.
func (f *fleet) waitForHomes(t *testing.T) {
	t.Helper()
	for i, p := range f.proxies {
		until(t, fmt.Sprint("instance ", i, " decides about its keys"), func() bool {
			return p.metric(t, "signstash_key_home_ready") == 1
		})
	}
}

func port(t *testing.T, text string) (n int) {
	t.Helper()
	if _, err := fmt.Sscan(text, &n); err != nil {
		t.Fatal(err)
	}
	return n
}

// publish writes the peers file and waits until all running instances have read it.
func (f *fleet) publish(t *testing.T) {
	t.Helper()
	data, err := affinity.EncodeDirectory(f.dir)
	if err != nil {
		t.Fatal(err)
	}
	write(t, f.peers+".new", data)
	if err := os.Rename(f.peers+".new", f.peers); err != nil {
		t.Fatal(err)
	}
	for i, p := range f.proxies {
		until(t, "the peers are known", func() bool {
			want := 0
			for _, e := range f.dir.Endpoints {
				if e.Ordinal != i {
					want++
				}
			}
			return p.metric(t, "signstash_peers") == float64(want)
		})
	}
}

// reply is the answer of an instance.
type reply struct {
	status int
	header http.Header
	body   string
}

// call sends a request to instance i.
func (f *fleet) call(t *testing.T, i int, method, path, body string, header ...string) reply {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, f.proxies[i].URL+api+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	const alice = "PRT.1-PRT.2-alice"
	req.SetBasicAuth(alice, clients[alice])
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	noRedirect := &http.Client{
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	resp, err := noRedirect.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return reply{resp.StatusCode, resp.Header, string(text)}
}

func (a reply) want(t *testing.T, what string, status int, holds ...string) {
	t.Helper()
	if a.status != status {
		t.Errorf("%s = %d %.300s, want %d", what, a.status, a.body, status)
	}
	for _, want := range holds {
		if !strings.Contains(a.body, want) {
			t.Errorf("%s = %.300s, want %q in it", what, a.body, want)
		}
	}
}

// signed sends a document to instance i and returns the id of its operation.
func (f *fleet) signed(t *testing.T, i int, reference string) string {
	t.Helper()
	got := f.call(t, i, http.MethodPost, "document/sign/base64/", signBody(t, reference))
	got.want(t, "sign", http.StatusOK, `"SIGNED"`)
	var op struct {
		ID json.Number `json:"id"`
	}
	if err := json.Unmarshal([]byte(got.body), &op); err != nil {
		t.Fatal(err)
	}
	return op.ID.String()
}

func signBody(t *testing.T, reference string) string {
	t.Helper()
	doc, err := os.ReadFile("../../hack/samples/invoice-103767.pdf")
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf(
		`{"externalReference":%q,"description":"d","documents":[{"documentRequest":{"externalReference":%q,"name":"a.pdf",`+
			`"contentType":"application/pdf","base64Content":%q},"signatureInfo":{"signatureType":"PAdES"}}]}`,
		reference,
		"doc "+reference,
		base64.StdEncoding.EncodeToString(doc),
	)
}

// bearer gets a token for a client service from instance i and returns the header that carries it.
func (f *fleet) bearer(t *testing.T, i int, id string) []string {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost,
		f.proxies[i].URL+"/oauth2/authorization-server/oauth/token?grant_type=client_credentials", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	r.SetBasicAuth(id, clients[id])
	answer := exchange(t, r)
	var token struct {
		Access string `json:"access_token"`
	}
	if err := json.Unmarshal(answer.body, &token); err != nil || token.Access == "" {
		t.Fatalf("token = %d, %v", answer.status, err)
	}
	return []string{"Authorization", "Bearer " + token.Access}
}
