//go:build e2e

package e2e

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Names of the objects that TestContainer creates in the container engine.
const (
	containerNet    = "signstash-e2e"
	containerProxy  = "signstash-e2e-proxy"
	containerTrial  = "signstash-e2e-trial"
	containerHTTP   = "signstash-e2e-http-proxy"
	containerVolume = "signstash-e2e-vol"
)

// The only client of the simulated service. In this mode the proxy uses each client service's own
// id and secret at that service.
var simulatedClient = credential{"SIM.000000000-000000000-simulated", "simulated-client-secret"}

// TestContainer runs the docker command of the original product's documentation. It replaces host,
// port and paths, and publishes the port only on loopback. Then it signs asynchronously through
// this container. The digests leave through the HTTP proxy that the command names.
func TestContainer(t *testing.T) {
	w := &world{t: t, door: &http.Client{Timeout: time.Minute}, admin: simulatedClient}
	remove := func() {
		for _, args := range [][]string{
			{
				"rm", "-f", containerProxy, containerTrial, containerHTTP}, {"volume", "rm", "-f",
				containerVolume}, {"network", "rm", containerNet},
		} {
			_, _ = run(t.Context(), "", "docker", args...) // most of them do not exist
		}
	}
	remove()
	defer remove()
	w.must("docker", "network", "create", containerNet)
	w.must(
		"docker",
		"run",
		"-d",
		"--name",
		containerTrial,
		"--network",
		containerNet,
		"signstash-trial:e2e",
		"--address=0.0.0.0:8090",
		"--listen-anywhere",
		"--public-url=http://"+containerTrial+":8090",
		"--auth-mode=implicit",
		"--pin=",
	)
	doorPort := freePort(t)
	w.must("docker", "run", "-d", "--name", containerHTTP, "--network", containerNet, "-p", "127.0.0.1:"+doorPort+":8888",
		"signstash-door:e2e", "--address=0.0.0.0:8888")

	folder, port := w.workFolder(), freePort(t)
	id := w.must(
		"docker",
		"run",
		"-d",
		"--mount",
		"source="+containerVolume+",target=/tmp",
		"--mount",
		"type=bind,source="+folder+",target=/home",
		"-p",
		"127.0.0.1:"+port+":8080",
		"--memory=512m",
		"--name",
		containerProxy,
		"--network",
		containerNet,
		"signstash-proxy:e2e",
		"--server.host.port=127.0.0.1:"+port,
		"--einvoice-integration-client.service.domain=http://"+containerTrial+":8090/",
		"--einvoice-integration-client.rest.provider.proxy.hostname="+containerHTTP,
		"--einvoice-integration-client.rest.provider.proxy.port=8888",
	)
	defer func() {
		if t.Failed() {
			out, err := run(t.Context(), "", "docker", "logs", "--tail", "40", id)
			t.Logf("%s\n%v", out, err)
		}
	}()
	base := "http://127.0.0.1:" + port
	w.eventually(func() error {
		_, err := call(t.Context(), w.door, simulatedClient, http.MethodGet, byIDURL(base, 1), nil)
		return err
	})
	op := w.accept(base, "FT 2026/1")
	if op.HostPort != "127.0.0.1:"+port {
		t.Errorf("the answer names %s, want 127.0.0.1:%s", op.HostPort, port)
	}
	w.ended("http://"+op.HostPort, "FT 2026/1")
	done := w.decode(w.ask(http.StatusOK, http.MethodGet, detailURL("http://"+op.HostPort, "FT 2026/1"), nil))
	w.validFrom(done, w.rootBehind("127.0.0.1:"+doorPort))

	if out := w.must("docker", "logs", containerHTTP); !strings.Contains(out, "POST "+containerTrial+":8090") {
		t.Errorf("nothing went through the HTTP proxy: %s", out)
	}

	// Accepted operations survive the container. The same command again finds them in its volume.
	w.must("docker", "restart", "--time", "30", containerProxy)
	w.eventually(func() error {
		a, err := call(t.Context(), w.door, simulatedClient, http.MethodGet, byIDURL(base, op.ID), nil)
		if err == nil && a.status != http.StatusOK {
			err = fmt.Errorf("after a restart: %v", a)
		}
		return err
	})
}

// workFolder creates the folder with the client file. The user of the image can read it.
func (w *world) workFolder() string {
	w.t.Helper()
	folder, err := os.MkdirTemp("", "signstash-work-") // the user of the image may not read folders below t.TempDir
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = os.RemoveAll(folder) })
	content, err := json.Marshal(object{simulatedClient.id: object{"secret": simulatedClient.secret}})
	if err == nil {
		err = os.Chmod(folder, 0o755)
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(folder, "client-services-config.json"), content, 0o644)
	}
	if err != nil {
		w.t.Fatal(err)
	}
	return folder
}

// rootBehind fetches the simulated root certificate through the HTTP proxy.
func (w *world) rootBehind(door string) []byte {
	w.t.Helper()
	inside := &http.Client{
		Timeout:   time.Minute,
		Transport: &http.Transport{Proxy: http.ProxyURL(&url.URL{Scheme: "http", Host: door})},
	}
	a, err := call(w.t.Context(), inside, credential{}, http.MethodGet,
		"http://"+containerTrial+":8090/simulator/root.pem", nil)
	if err != nil || a.status != http.StatusOK {
		w.t.Fatalf("root certificate: %v, %v", a, err)
	}
	return a.body
}

// freePort returns a free port of loopback.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}
