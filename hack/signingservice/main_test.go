package main

import (
	"bufio"
	"context"
	"encoding/json"
	"encoding/pem"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestRun checks that the program prints where it listens, serves all its parts, obeys its
// controls, and stops.
func TestRun(t *testing.T) {
	root := filepath.Join(t.TempDir(), "root.pem")
	ctx, stop := context.WithCancel(t.Context())
	out, w := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		ended <- run(ctx, []string{"--address=127.0.0.1:0", "--key-file=", "--root-file=" + root, "--quiet",
			"--client=a=b", "--credentials=ecdsa", "--rude=info:429", "--auth-type=basic",
			"--user=us=pass", "--specs=v1.0.4.0", "--page-size=1"}, w, io.Discard)
		_ = w.Close()
	}()
	line, err := bufio.NewReader(out).ReadString('\n')
	base, ok := strings.CutPrefix(strings.TrimSpace(line), "listening on ")
	if err != nil || !ok {
		t.Fatalf("first line = %q, %v", line, err)
	}
	call := func(method, path string, want int) []byte {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), method, base+path, strings.NewReader("{}"))
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = resp.Body.Close() }()
		body, _ := io.ReadAll(resp.Body)
		if resp.StatusCode != want {
			t.Errorf("%s %s = %d, want %d", method, path, resp.StatusCode, want)
		}
		return body
	}
	call("POST", "/csc/v2/info", 429)
	call("DELETE", "/simulator/faults", 204)
	if body := call("POST", "/csc/v2/info", 200); !strings.Contains(string(body), "SIMULATED") {
		t.Error("info does not say that it is a simulation")
	}
	body := string(call("POST", "/csc/v1/info", 200))
	if !strings.Contains(body, `"v1.0.4.0"`) || strings.Contains(body, `"oauth2":`) {
		t.Errorf("info = %s, want specs v1.0.4.0 and no OAuth2", body)
	}
	call("POST", "/csc/v1/auth/login", 401)
	call("POST", "/safe/info", 200)
	call("POST", "/tsa", 415)
	call("GET", "/crl/0", 200)
	call("GET", "/crl/1", 200)
	call("GET", "/oauth2/authorization-server/jwks.json", 200)
	call("POST", "/simulator/tsa?rudeness=503", 200)
	call("POST", "/simulator/latency?of=soon", 400)
	var counts struct{ Calls map[string]int }
	err = json.Unmarshal(call("GET", "/simulator/counts", 200), &counts)
	if err != nil || counts.Calls["csc/v2/info"] != 2 {
		t.Errorf("counts = %+v, %v; want 2 calls of csc/v2/info", counts, err)
	}
	call("GET", "/simulator/surroundings", 200)
	kept, err := os.ReadFile(root)
	if block, _ := pem.Decode(kept); err != nil || block == nil {
		t.Errorf("root file is not PEM: %v", err)
	}
	stop()
	if err := <-ended; err != nil {
		t.Errorf("run = %v", err)
	}
}

func TestFlags(t *testing.T) {
	for name, args := range map[string][]string{
		"not loopback":         {"--address=0.0.0.0:0"},
		"any address":          {"--address=:0"},
		"not an address":       {"--address=here"},
		"unknown misbehaviour": {"--rude=info:moody", "--address=127.0.0.1:0", "--key-file="},
		"no misbehaviour":      {"--rude=info"},
		"chance of 2":          {"--rude=info:429:2"},
		"client":               {"--client=a"},
		"user":                 {"--user=a"},
		"unknown key":          {"--credentials=dsa", "--address=127.0.0.1:0", "--key-file="},
		"argument":             {"extra"},
		"unknown flag":         {"--real"},
	} {
		if err := run(t.Context(), args, io.Discard, io.Discard); err == nil {
			t.Errorf("%s: run = nil error", name)
		}
	}
}
