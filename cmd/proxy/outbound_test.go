package main_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/signstash-proxy/signstash-proxy/hack/signingservice/service"
	"github.com/signstash-proxy/signstash-proxy/pkg/client"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// TestBehindHTTPProxy checks that every outgoing call goes through a real HTTP proxy, with its user
// and password.
func TestBehindHTTPProxy(t *testing.T) {
	port, log := startTinyproxy(t)
	remote := newRemoteSide(t, service.Options{})
	p := newTestProxy(t, remote.flags()...)
	p.o.Args = append(
		p.o.Args,
		"--einvoice-integration-client.rest.provider.proxy.hostname=127.0.0.1",
		"--einvoice-integration-client.rest.provider.proxy.port="+port,
		"--outbound.proxy.credentials-file="+p.file(t, "proxy-credentials", "simulated:password1\n"),
	)
	p.start(t)
	signAtLevel(t, p, remote.root, signing.LevelLT)
	for _, path := range []string{
		"/oauth2/authorization-server/oauth/token", "/csc/v2/signatures/signHash", "/tsa", "/ocsp",
	} {
		until(t, "the HTTP proxy's log holds "+path, func() bool { // another process writes the log
			written, err := os.ReadFile(log)
			return err == nil && bytes.Contains(written, []byte(remote.url+path))
		})
	}
	if strings.Contains(p.log(t), "password1") {
		t.Error("the log shows the HTTP proxy's password")
	}
}

// startTinyproxy runs a real HTTP proxy that requires user and password.
func startTinyproxy(t *testing.T) (port, log string) {
	t.Helper()
	program, err := exec.LookPath("tinyproxy")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("tinyproxy is not installed")
		}
		t.Skip("tinyproxy is not installed")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0") // tinyproxy does not accept port 0, so find a free port
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	_, port, _ = net.SplitHostPort(address)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	log = filepath.Join(dir, "log")
	config := filepath.Join(dir, "tinyproxy.conf")
	write(
		t,
		config,
		fmt.Appendf(
			nil,
			"Port %s\nListen 127.0.0.1\nTimeout 60\nMaxClients 50\nLogFile %q\nLogLevel Info\nAllow 127.0.0.1\n"+
				"BasicAuth simulated password1\n",
			port,
			log,
		),
	)
	cmd := exec.Command(program, "-d", "-c", config)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	until(t, "tinyproxy listens", func() bool {
		c, err := net.Dial("tcp", address)
		if err == nil {
			_ = c.Close()
		}
		return err == nil
	})
	return port, log
}

// TestRemoteTokens checks that bearer tokens of the remote service are accepted. They are verified
// with its keys or by asking it.
func TestRemoteTokens(t *testing.T) {
	t.Parallel()
	remote := newRemoteSide(t, service.Options{})
	token := remoteToken(t, remote)
	base := remote.url + "/oauth2/authorization-server"
	secret := filepath.Join(t.TempDir(), "secret")
	write(t, secret, []byte(clients["PRT.1-PRT.2-bob"]+"\n"))
	for _, test := range []struct {
		name   string
		flags  []string
		status int
	}{
		{
			"keys",
			[]string{"--remote.token.jwks-url=" + base + "/jwks.json", "--remote.token.audience=simulated-remote-service"},
			404,
		},
		{"introspection", []string{
			"--remote.token.introspection-url=" + base + "/oauth/introspect",
			"--remote.token.client-id=PRT.1-PRT.2-bob",
			"--remote.token.client-secret-file=" + secret,
		}, 404},
		{
			"another audience",
			[]string{"--remote.token.jwks-url=" + base + "/jwks.json", "--remote.token.audience=somebody-else"}, 401,
		},
		{"not configured", nil, 401},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := newTestProxy(t, append(remote.flags(), test.flags...)...).start(t)
			for value, want := range map[string]int{token: test.status, token[:len(token)-4] + "AAAA": 401} {
				r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, p.URL+apiPath+"operation/status/1", nil)
				if err != nil {
					t.Fatal(err)
				}
				r.Header.Set("Authorization", "Bearer "+value)
				// An authenticated caller learns that the operation does not exist.
				if a := exchange(t, r); a.status != want || want == 401 && !bytes.Contains(a.body, []byte(`"0.0.10"`)) {
					t.Errorf("status = %d %s, want %d", a.status, a.body, want)
				}
			}
		})
	}
}

// remoteToken is a token that the remote side issued to alice.
func remoteToken(t *testing.T, remote *remoteSide) string {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost,
		remote.url+"/oauth2/authorization-server/oauth/token?grant_type=client_credentials", nil)
	if err != nil {
		t.Fatal(err)
	}
	a := exchange(t, r)
	var answer struct {
		AccessToken string `json:"access_token"`
	}
	if err := json.Unmarshal(a.body, &answer); err != nil || answer.AccessToken == "" {
		t.Fatalf("token answer = %d, %v", a.status, err)
	}
	return answer.AccessToken
}

// TestClientServiceChoosesItsProvider checks that a client service signs with the provider that its
// entry names, otherwise with the default. A client service that names a provider that does not
// exist gets an error that says so.
func TestClientServiceChoosesItsProvider(t *testing.T) {
	t.Parallel()
	remote := newRemoteSide(t, service.Options{})
	p := newTestProxy(t)
	p.configure(t, "defaultProvider: here\nproviders:\n- {name: here, kind: embedded, key: P-256}\n"+
		strings.TrimPrefix(remote.cscConfig(t, p, "", "1"), "providers:\n"))
	write(t, filepath.Join(p.o.Work, "client-services-config.json"), []byte(`{
		"PRT.1-PRT.2-alice": {"secret": "alice's secret", "provider": "seal"},
		"PRT.1-PRT.2-bob": {"secret": "bob's secret"},
		"PRT.1-PRT.2-carol": {"secret": "carol's secret", "provider": "nowhere"}}`))
	p.start(t)
	body := func(reference string) string {
		content, err := os.ReadFile(sample)
		if err != nil {
			t.Fatal(err)
		}
		return `{"externalReference":"` + reference + `","description":"d","documents":[{"documentRequest":{"externalReference":"d","name":"d.pdf",` +
			`"contentType":"application/pdf","base64Content":"` + encode(
			content,
		) + `"},"signatureInfo":{"signatureType":"PAdES"}}]}`
	}
	for _, test := range []struct {
		client, want string
		made         int64
	}{
		{"alice", `"EXECUTED"`, 1}, {"bob", `"EXECUTED"`, 1}, {"carol", "CONFIGURATION_SIGN_ERROR", 1},
	} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, p.URL+apiPath+"document/sign/base64",
			strings.NewReader(body(test.client)))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/json")
		r.SetBasicAuth("PRT.1-PRT.2-"+test.client, test.client+"'s secret")
		if a := exchange(t, r); !bytes.Contains(a.body, []byte(test.want)) {
			t.Errorf("%s: %d %.300s, want %s", test.client, a.status, a.body, test.want)
		}
		if n := remote.Counts().Signatures; n != test.made {
			t.Errorf("after %s %d signatures were made remotely, want %d", test.client, n, test.made)
		}
	}
}

// TestSecretIsChangedHereFirst changes a secret at the proxy first. At the service domain a
// client's secret is also its secret at the remote side. The proxy uses the previous secret until
// the remote side knows the new one.
func TestSecretIsChangedHereFirst(t *testing.T) {
	t.Parallel()
	remote := newRemoteSide(t, service.Options{})
	p := newTestProxy(t, remote.flags()...)
	const id = "PRT.1-PRT.2-alice"
	write(t, filepath.Join(p.o.Work, "client-services-config.json"),
		fmt.Appendf(nil, `{%q: {"secret": "not known there yet", "previousSecret": %q}}`, id, clients[id]))
	p.start(t)
	c, err := client.New(client.Config{URL: p.URL, ClientID: id, Secret: "not known there yet"})
	if err != nil {
		t.Fatal(err)
	}
	if op, err := c.Sign(t.Context(), oneDocument(t, "changed", client.SignatureInfo{}), discard{}); err != nil ||
		op.Status != client.StatusExecuted {
		t.Errorf("Sign = %+v, %v, want it signed", op, err)
	}
}

// TestCallbackBehindHTTPProxy posts callbacks to names that do not resolve on this machine. The
// proxy passes names in --callback.hosts to the HTTP proxy, and no others.
func TestCallbackBehindHTTPProxy(t *testing.T) {
	port, log := startTinyproxy(t)
	p := newTestProxy(t)
	p.o.Args = append(
		p.o.Args,
		"--einvoice-integration-client.rest.provider.proxy.hostname=127.0.0.1",
		"--callback.hosts=listed.invalid",
		"--einvoice-integration-client.rest.provider.proxy.port="+port,
		"--outbound.proxy.credentials-file="+p.file(t, "proxy-credentials", "simulated:password1\n"),
	)
	p.start(t)
	post(t, p, "document/sign/async/base64", withCallback(t, "not listed", "http://stranger.invalid/callback"))
	until(t, "a refusal that names the setting",
		func() bool { return strings.Contains(p.log(t), "--callback.hosts does not list it") })
	post(t, p, "document/sign/async/base64", withCallback(t, "listed", "http://erp.listed.invalid/callback"))
	until(t, "the HTTP proxy's log holds the listed receiver", func() bool {
		written, err := os.ReadFile(log)
		return err == nil && bytes.Contains(written, []byte("erp.listed.invalid"))
	})
	if written, err := os.ReadFile(log); err != nil || bytes.Contains(written, []byte("stranger")) {
		t.Errorf("the HTTP proxy was asked for a host that is not listed (%v)", err)
	}
}
