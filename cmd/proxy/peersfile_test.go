package main_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/signstash-proxy/signstash-proxy/hack/signingservice/service"
	"github.com/signstash-proxy/signstash-proxy/pkg/affinity"
)

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
			if code, why := readyz(t, f.proxies[0]); code != http.StatusServiceUnavailable ||
				why != "the peers file could not be read yet\n" {
				t.Errorf("readyz = %d %q, want 503", code, why)
			}
			const why = "could not be read yet"
			f.call(t, 0, http.MethodPost, "document/sign/base64", signBody(t, "ref"), "Idempotency-Key", "k").
				want(t, "a key", http.StatusServiceUnavailable, why)
			f.call(t, 0, http.MethodGet, "operation/status/withExternalReference/x", "").
				want(t, "a reference", http.StatusServiceUnavailable, why)
			f.call(t, 0, http.MethodGet, "operation/status/1025", "").want(t, "another's id", http.StatusServiceUnavailable, why)
			write(t, file+".new", []byte("{}"))
			if err := os.Rename(file+".new", file); err != nil {
				t.Fatal(err)
			}
			until(t, "it is ready", func() bool { code, _ := readyz(t, f.proxies[0]); return code == http.StatusOK })
			f.call(t, 0, http.MethodPost, "document/sign/base64", signBody(t, "ref"), "Idempotency-Key", "k").
				want(t, "a key", http.StatusOK)
			f.call(t, 0, http.MethodGet, "operation/status/1025", "").want(t, "an unused id", http.StatusNotFound)
		})
	}
	_ = os.Remove(file)
	off := began("--affinity.forward=off")
	until(t, "it is ready", func() bool { code, _ := readyz(t, off.proxies[0]); return code == http.StatusOK })
}

// TestEndpointFile checks that an instance is not ready and refuses asynchronous requests until it
// knows its address. It says why, and its log says once where to look. It serves reads meanwhile.
func TestEndpointFile(t *testing.T) {
	t.Parallel()
	remote := newRemoteSide(t, service.Options{})
	file := filepath.Join(t.TempDir(), "endpoint")
	p := newTestProxy(t, append(remote.flags(), "--affinity.endpoint.file="+file, "--instance.uid=now")...)
	p.o.Unready = true
	p.start(t)
	f := &fleet{proxies: []*testProxy{p}}
	ready := func() int { code, _ := readyz(t, p); return code }
	until(t, "it has started", func() bool { _, why := readyz(t, p); return why != "starting\n" })
	refused := func(why string) {
		t.Helper()
		if got, text := readyz(t, p); got != http.StatusServiceUnavailable ||
			!strings.Contains(text, "no controller has published it") {
			t.Errorf("readyz %s = %d %q, want 503 and the reason", why, got, text)
		}
		f.call(t, 0, http.MethodPost, "document/sign/async/base64", signBody(t, why)).
			want(t, "async "+why, http.StatusServiceUnavailable, "address")
	}
	refused("without a file")
	stale, _ := affinity.EncodePublished(
		affinity.Published{Name: "p", Instance: "before", Host: "sign.example.org", Port: 1},
	)
	write(t, file, stale)
	until(t, "the stale file is read", func() bool { return strings.Contains(p.log(t), "belongs to an earlier run") })
	refused("with a stale file")
	f.call(t, 0, http.MethodGet, "operation/status/withExternalReference/none", "").want(t, "a read", http.StatusNotFound)
	fresh, _ := affinity.EncodePublished(
		affinity.Published{Name: "p", Instance: "now", Host: "sign.example.org", Port: 9001},
	)
	write(t, file, fresh)
	until(t, "it is ready", func() bool { return ready() == http.StatusOK })
	f.call(t, 0, http.MethodPost, "document/sign/async/base64", signBody(t, "ref")).
		want(t, "async", http.StatusAccepted, `"host":"sign.example.org","port":9001`)
	const look = "kubectl logs -l app.kubernetes.io/component=controller"
	if n := strings.Count(p.log(t), look); n != 1 {
		t.Errorf("the log names the command %s %d times, want once", look, n)
	}
}
