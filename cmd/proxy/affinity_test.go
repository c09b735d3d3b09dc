package main_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/signstash-proxy/signstash-proxy/hack/signingservice/service"
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
			Name: fmt.Sprint(
				"proxy-",
				i,
			),
			Ordinal:  i,
			Instance: fmt.Sprint("uid-", i),
			Host:     "127.0.0.1",
			Port:     port(t, address.Port()),
			Internal: address.Host,
		})
	}
	f.publish(t)
	return f
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

// said is the answer of an instance.
type said struct {
	status int
	header http.Header
	body   string
}

// call sends a request to instance i.
func (f *fleet) call(t *testing.T, i int, method, path, body string, header ...string) said {
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
	resp, err := (&http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}).Do(
		req,
	)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return said{resp.StatusCode, resp.Header, string(text)}
}

func (a said) is(t *testing.T, what string, status int, holds ...string) {
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
	got.is(t, "sign", http.StatusOK, `"SIGNED"`)
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

// TestAnyInstanceAnswers checks that three instances answer for each other's operations, by id and
// by reference, and that they name an instance that is missing.
func TestAnyInstanceAnswers(t *testing.T) {
	t.Parallel()
	remote := newRemoteSide(t, service.Options{})
	f := newFleet(t, remote)
	var ids [3]string
	for i := range 3 {
		ids[i] = f.signed(t, i, fmt.Sprint("ref/", i))
	}
	paths := func(i int) map[string]string {
		ref := fmt.Sprint("ref%2F", i)
		return map[string]string{
			"operation/status/" + ids[i]:                                        `"id":` + ids[i],
			"operation/status/withExternalReference/" + ref:                     `[{"id":` + ids[i],
			"operation/status/withExternalReference/" + ref + "?wait=30s":       `[{"id":` + ids[i],
			"operation/sign/detail/withExternalReference/" + ref:                `"signedContent":"JVBERi`,
			"operation/sign/detail/" + ids[i] + "/contentInResponse/False":      `"SIGNED"`,
			"operation/sign/detail/" + ids[i] + "/documents":                    "PK",
			"operation/id/withDocumentExternalReference/doc%20ref%2F" + ref[6:]: ids[i],
		}
	}
	for holder := range 3 {
		for path, want := range paths(holder) {
			for asked := range 3 {
				f.call(
					t,
					asked,
					http.MethodGet,
					path,
					"",
				).is(
					t,
					fmt.Sprintf("instance %d asked for %s", asked, path),
					http.StatusOK,
					want,
				)
			}
		}
	}
	t.Run("random", func(t *testing.T) { f.random(t, ids[:]) })
	f.call(
		t,
		0,
		http.MethodGet,
		"operation/status/withExternalReference/invented",
		"",
	).is(
		t,
		"an invented reference",
		http.StatusNotFound,
	)
	f.call(t, 0, http.MethodGet, "operation/status/5122", "").is(t, "an id of nobody, ordinal 2", http.StatusNotFound)
	f.call(t, 0, http.MethodGet, "operation/status/1020", "").is(t, "an ordinal that never was", http.StatusNotFound)
	f.call(
		t,
		0,
		http.MethodGet,
		"operation/status/1027",
		"",
	).is(
		t,
		"an ordinal that was",
		http.StatusServiceUnavailable,
		"does not answer",
	)
	f.call(
		t,
		0,
		http.MethodGet,
		"operation/status/"+ids[1],
		"",
		affinity.ForwardedHeader,
		"x",
	).is(
		t,
		"forwarded already",
		http.StatusNotFound,
	)
	f.call(
		t,
		0,
		http.MethodGet,
		"operation/status/"+ids[0],
		"",
		affinity.TargetHeader,
		"uid-9",
	).is(
		t,
		"meant for another",
		http.StatusMisdirectedRequest,
	)
	f.call(
		t,
		1,
		http.MethodDelete,
		"operation/sign/detail/"+ids[2],
		"",
	).is(
		t,
		"DELETE through another",
		http.StatusNoContent,
	)
	f.call(t, 2, http.MethodGet, "operation/status/"+ids[2], "").is(t, "what was removed", http.StatusNotFound)
	f.missing(t, ids[:])
}

// random asks a random instance for a random operation, a thousand times.
func (f *fleet) random(t *testing.T, ids []string) {
	var clients sync.WaitGroup
	for range 10 {
		clients.Go(func() {
			for range 100 {
				holder, asked := rand.IntN(3), rand.IntN(3)
				path, want := "operation/sign/detail/"+ids[holder]+"/contentInResponse/True", `"folderExternalReference":"ref/`+fmt.Sprint(
					holder,
				)
				if rand.IntN(2) == 0 {
					path, want = fmt.Sprint("operation/status/withExternalReference/ref%2F", holder), `[{"id":`+ids[holder]
				}
				if got := f.call(
					t,
					asked,
					http.MethodGet,
					path,
					"",
				); got.status != http.StatusOK ||
					!strings.Contains(got.body, want) {
					t.Errorf("instance %d asked for %s = %d %.200s", asked, path, got.status, got.body)
				}
			}
		})
	}
	clients.Wait()
}

// missing stops instance 1, then starts another server at its address.
func (f *fleet) missing(t *testing.T, ids []string) {
	if err := f.proxies[1].Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	retry := func(got said, what string) {
		t.Helper()
		got.is(t, what, http.StatusServiceUnavailable, "instance proxy-1 does not answer")
		if got.header.Get("Retry-After") == "" {
			t.Errorf("%s has no Retry-After", what)
		}
		if strings.Contains(got.body, "127.0.0.1") || strings.Contains(got.body, "refused") {
			t.Errorf("%s tells of the inside: %s", what, got.body)
		}
	}
	retry(f.call(t, 0, http.MethodGet, "operation/status/"+ids[1], ""), "its operation by id")
	retry(f.call(t, 2, http.MethodGet, "operation/status/withExternalReference/ref%2F1", ""), "its operation by reference")
	retry(f.call(t, 2, http.MethodGet, "operation/status/withExternalReference/invented", ""), "an invented reference")
	retry(
		f.call(t, 0, http.MethodPost, "document/sign/base64", signBody(t, "keyed"), "Idempotency-Key", "k"),
		"a request with a key",
	)
	f.call(t, 2, http.MethodGet, "operation/status/"+ids[0], "").is(t, "another's operation", http.StatusOK)
	f.call(
		t,
		0,
		http.MethodPost,
		"document/sign/base64",
		signBody(t, "plain"),
	).is(
		t,
		"a request without a key",
		http.StatusOK,
	)
	f.dir.Endpoints[1].Internal = f.dir.Endpoints[2].Internal // another instance got its address
	f.proxies = []*testProxy{f.proxies[0]}
	f.publish(t)
	until(t, "the new address is read", func() bool { return strings.Count(f.proxies[0].log(t), "peers read") >= 2 })
	retry(f.call(t, 0, http.MethodGet, "operation/status/"+ids[1], ""), "its operation at another's address")
}

// TestKeySignsOnce sends a request with one Idempotency-Key to several instances, one after the
// other and all at once. It is signed once.
func TestKeySignsOnce(t *testing.T) {
	t.Parallel()
	remote := newRemoteSide(t, service.Options{})
	f := newFleet(t, remote)
	first := f.call(t, 0, http.MethodPost, "document/sign/base64", signBody(t, "once"), "Idempotency-Key", "key 1")
	first.is(t, "first", http.StatusOK, `"SIGNED"`)
	for _, i := range []int{1, 2, 0, 1} {
		again := f.call(t, i, http.MethodPost, "document/sign/base64", signBody(t, "once"), "Idempotency-Key", "key 1")
		again.is(t, "again", http.StatusOK, `"SIGNED"`)
		if again.header.Get("Idempotent-Replayed") != "true" {
			t.Errorf("the repetition at instance %d is not marked", i)
		}
	}
	f.call(
		t,
		1,
		http.MethodPost,
		"document/sign/base64",
		signBody(t, "other"),
		"Idempotency-Key",
		"key 1",
	).is(
		t,
		"another request",
		http.StatusUnprocessableEntity,
	)
	if made := remote.Counts().Signatures; made != 1 {
		t.Errorf("%d signatures made, want 1", made)
	}

	// All at once: each instance may refuse for now, because another one is reading. A repetition
	// succeeds.
	var senders sync.WaitGroup
	for i := range 3 {
		senders.Go(func() {
			for range 100 {
				got := f.call(t, i, http.MethodPost, "document/sign/base64", signBody(t, "race"), "Idempotency-Key", "key 2")
				if got.status == http.StatusOK {
					return
				}
				got.is(t, "a racing request", http.StatusServiceUnavailable)
			}
			t.Errorf("instance %d never answered", i)
		})
	}
	senders.Wait()
	if made := remote.Counts().Signatures; made != 2 {
		t.Errorf("%d signatures made, want 2", made)
	}
}

// TestRedirectAndOff checks the other two ways to handle a request for another instance's
// operation.
func TestRedirectAndOff(t *testing.T) {
	t.Parallel()
	remote := newRemoteSide(t, service.Options{})
	f := newFleet(t, remote, "--affinity.forward=redirect")
	id := f.signed(t, 1, "ref")
	for _, path := range []string{"operation/status/" + id, "operation/status/withExternalReference/ref"} {
		got := f.call(t, 0, http.MethodGet, path, "")
		if want := f.proxies[1].URL + api + path; got.status != http.StatusTemporaryRedirect ||
			got.header.Get("Location") != want {
			t.Errorf("GET %s = %d to %q, want 307 to %q", path, got.status, got.header.Get("Location"), want)
		}
	}
	// A gateway in front of the proxy that terminates TLS, at any port.
	f = newFleet(t, remote, "--affinity.forward=redirect", "--affinity.redirect.scheme=https")
	id = f.signed(t, 1, "ref")
	got := f.call(t, 0, http.MethodGet, "operation/status/"+id, "")
	if want := strings.Replace(
		f.proxies[1].URL,
		"http:",
		"https:",
		1,
	) + api + "operation/status/" + id; got.header.Get(
		"Location",
	) != want {
		t.Errorf("behind a gateway clients are sent to %q, want %q", got.header.Get("Location"), want)
	}
	f = newFleet(t, remote, "--affinity.forward=off")
	id = f.signed(t, 1, "ref")
	f.call(t, 0, http.MethodGet, "operation/status/"+id, "").is(t, "off", http.StatusNotFound)
}

// TestPeersFileNeverRead checks an instance whose peers file is set but missing or broken. It is
// not ready, does not sign anything that another instance may have signed, and never answers that
// an operation is unknown. If forwarding is off, it needs no peers file.
func TestPeersFileNeverRead(t *testing.T) {
	t.Parallel()
	remote := newRemoteSide(t, service.Options{})
	dir := t.TempDir()
	file := filepath.Join(dir, "endpoints.json")
	began := func(flags ...string) *fleet {
		p := newTestProxy(t, append(append(remote.flags(), "--affinity.peers.file="+file), flags...)...)
		p.o.Unready = true
		return &fleet{proxies: []*testProxy{p.start(t)}, peers: file}
	}
	for name, content := range map[string]string{"missing": "", "broken": "{"} {
		t.Run(name, func(t *testing.T) {
			_ = os.Remove(file)
			if content != "" {
				write(t, file, []byte(content))
			}
			f := began()
			until(t, "it has started", func() bool { _, why := readyz(t, f.proxies[0]); return why != "starting\n" })
			if code, why := readyz(
				t,
				f.proxies[0],
			); code != http.StatusServiceUnavailable ||
				why != "the peers file could not be read yet\n" {
				t.Errorf("readyz = %d %q, want 503", code, why)
			}
			const why = "could not be read yet"
			f.call(
				t,
				0,
				http.MethodPost,
				"document/sign/base64",
				signBody(t, "ref"),
				"Idempotency-Key",
				"k",
			).is(
				t,
				"a key",
				http.StatusServiceUnavailable,
				why,
			)
			f.call(
				t,
				0,
				http.MethodGet,
				"operation/status/withExternalReference/x",
				"",
			).is(
				t,
				"a reference",
				http.StatusServiceUnavailable,
				why,
			)
			f.call(t, 0, http.MethodGet, "operation/status/1025", "").is(t, "another's id", http.StatusServiceUnavailable, why)
			write(t, file+".new", []byte("{}"))
			if err := os.Rename(file+".new", file); err != nil {
				t.Fatal(err)
			}
			until(t, "it is ready", func() bool { code, _ := readyz(t, f.proxies[0]); return code == http.StatusOK })
			f.call(
				t,
				0,
				http.MethodPost,
				"document/sign/base64",
				signBody(t, "ref"),
				"Idempotency-Key",
				"k",
			).is(
				t,
				"a key",
				http.StatusOK,
			)
			f.call(t, 0, http.MethodGet, "operation/status/1025", "").is(t, "nobody's id", http.StatusNotFound)
		})
	}
	_ = os.Remove(file)
	off := began("--affinity.forward=off")
	until(t, "it is ready", func() bool { code, _ := readyz(t, off.proxies[0]); return code == http.StatusOK })
}

// TestEndpointFile checks that an instance is not ready and refuses asynchronous requests until it
// knows its address. It serves reads meanwhile.
func TestEndpointFile(t *testing.T) {
	t.Parallel()
	remote := newRemoteSide(t, service.Options{})
	file := filepath.Join(t.TempDir(), "endpoint")
	p := newTestProxy(t, append(remote.flags(), "--affinity.endpoint.file="+file, "--instance.uid=now")...)
	p.o.Unready = true
	p.start(t)
	f := &fleet{proxies: []*testProxy{p}}
	ready := func() int {
		resp, err := http.Get(p.Management + "/readyz")
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		return resp.StatusCode
	}
	refused := func(why string) {
		t.Helper()
		if got := ready(); got != http.StatusServiceUnavailable {
			t.Errorf("readyz %s = %d, want 503", why, got)
		}
		f.call(
			t,
			0,
			http.MethodPost,
			"document/sign/async/base64",
			signBody(t, why),
		).is(
			t,
			"async "+why,
			http.StatusServiceUnavailable,
			"address",
		)
	}
	refused("without a file")
	stale, _ := affinity.EncodePublished(
		affinity.Published{Name: "p", Instance: "before", Host: "sign.example.org", Port: 1},
	)
	write(t, file, stale)
	until(t, "the stale file is read", func() bool { return strings.Contains(p.log(t), "belongs to an earlier run") })
	refused("with a stale file")
	f.call(t, 0, http.MethodGet, "operation/status/withExternalReference/none", "").is(t, "a read", http.StatusNotFound)
	fresh, _ := affinity.EncodePublished(
		affinity.Published{Name: "p", Instance: "now", Host: "sign.example.org", Port: 9001},
	)
	write(t, file, fresh)
	until(t, "it is ready", func() bool { return ready() == http.StatusOK })
	f.call(
		t,
		0,
		http.MethodPost,
		"document/sign/async/base64",
		signBody(t, "ref"),
	).is(
		t,
		"async",
		http.StatusAccepted,
		`"host":"sign.example.org","port":9001`,
	)
}
