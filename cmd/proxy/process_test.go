package main_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/signstash-proxy/signstash-proxy/hack/instance"
)

// TestExitCodes runs the program until it exits, once for each reason not to start.
func TestExitCodes(t *testing.T) {
	t.Parallel()
	bin := filepath.Join(build(t), "proxy")
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	_, busyPort, _ := net.SplitHostPort(busy.Addr().String())
	work := t.TempDir()
	if err := instance.WriteClients(work, clients); err != nil {
		t.Fatal(err)
	}
	broken := t.TempDir()
	write(t, filepath.Join(broken, "client-services-config.json"),
		[]byte(`{"a": {"secret": "geheim", "colour": 1}, "b": {}}`))
	weakKey := filepath.Join(t.TempDir(), "key")
	write(t, weakKey, []byte("short\n"))
	tokenFile, mistakenFile := filepath.Join(t.TempDir(), "token.yaml"), filepath.Join(t.TempDir(), "mistaken.yaml")
	write(t, tokenFile,
		[]byte("providers: [{name: hsm, kind: pkcs11, module: /lib/token.so, tokenLabel: a, keyLabel: b}]\n"))
	write(t, mistakenFile, []byte("defaultProvider: b\nproviders:\n"+
		"- {name: a, kind: csc, url: 'ftp://x', credentialId: c, clientID: i, clientSecretFile: "+weakKey+"}\n"))

	free := []string{
		"--server.address=127.0.0.1",
		"--server.port=0",
		"--management.server.address=127.0.0.1",
		"--management.server.port=0",
	}
	for _, test := range []struct {
		name string
		args []string
		code int
		text []string // on standard output if code is 0, otherwise on standard error
	}{
		{"help", []string{"--help"}, 0, []string{"--server.port=PORT", "SERVER_PORT", "Exit codes"}},
		{"version", []string{"--version"}, 0, []string{"signstash-proxy "}},
		{"mistakes", []string{"--sevrer.port=1", "--sync.wait=x"}, 2, []string{"did you mean --server.port?", "--sync.wait"}},
		{"no client file", []string{"--work.folder=" + t.TempDir()}, 1, []string{"client-services-config.json", `{"secret": "a long random secret"}`}},
		{
			"broken client file", []string{"--work.folder=" + broken}, 1,
			[]string{`"a": colour: unknown key`, `"b": secret: is missing`},
		},
		{
			"port in use", []string{"--work.folder=" + work, "--server.port=" + busyPort}, 1,
			[]string{"open REST port", busyPort},
		},
		{
			"no pkcs11 in this build", []string{"--work.folder=" + work, "--config=" + tokenFile}, 1,
			[]string{"open provider hsm", "built without PKCS #11"},
		},
		{"mistakes in providers", []string{"--work.folder=" + work, "--config=" + mistakenFile}, 2, []string{
			"3 mistakes", "credentialId", "url:", "defaultProvider"}},
		{"weak token key", []string{"--work.folder=" + work, "--token.signing.key=" + weakKey}, 1, []string{"openssl rand"}},
		{
			"state folder of another", []string{"--work.folder=" + work, "--state.folder=" + weakKey}, 1,
			[]string{"state folder"},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			args := append(append([]string{"--state.folder=" + filepath.Join(t.TempDir(), "state")}, free...), test.args...)
			cmd := exec.Command(bin, args...)
			var stdout, stderr bytes.Buffer
			cmd.Stdout, cmd.Stderr = &stdout, &stderr
			err := cmd.Run()
			var exit *exec.ExitError
			if err != nil && !errors.As(err, &exit) {
				t.Fatal(err)
			}
			if got := cmd.ProcessState.ExitCode(); got != test.code {
				t.Errorf("exit code = %d, want %d\n%s", got, test.code, &stderr)
			}
			out := stderr.String()
			if test.code == 0 {
				out = stdout.String()
			}
			for _, want := range test.text {
				if !strings.Contains(out, want) {
					t.Errorf("output lacks %q:\n%s", want, out)
				}
			}
			if strings.Contains(out, "geheim") {
				t.Errorf("output shows a secret:\n%s", out)
			}
		})
	}
}

// TestStartAndStop compares the ready file, the log and the exit code.
func TestStartAndStop(t *testing.T) {
	t.Parallel()
	bin := filepath.Join(build(t), "proxy")
	dir := t.TempDir()
	if err := instance.WriteClients(dir, clients); err != nil {
		t.Fatal(err)
	}
	ready := filepath.Join(dir, "ready.json")
	write(t, ready, []byte(`{"rest":"127.0.0.1:1"}`)) // left by an earlier process
	cmd := exec.Command(
		bin,
		"--work.folder="+dir,
		"--state.folder="+filepath.Join(dir, "state"),
		"--ready.file="+ready,
		"--server.address=127.0.0.1",
		"--server.port=0",
		"--management.server.address=127.0.0.1",
		"--management.server.port=0",
	)
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Process.Kill()
	lines := bufio.NewScanner(stderr)
	listening := logLine(t, lines, "listening")
	logLine(t, lines, "ready")
	file := readyFile(t, ready)
	if file["rest"] != listening["rest"] || file["management"] != listening["management"] || file["tls"] != false {
		t.Errorf("ready file = %v, want the addresses of %v", file, listening)
	}
	if listening["endpoint"] != listening["rest"] {
		t.Errorf("endpoint = %v, want %v: nothing else is known", listening["endpoint"], listening["rest"])
	}
	if info, err := os.Stat(filepath.Join(dir, "state", "token-signing.key")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("token key: %v, %v, want mode 0600", info, err)
	}
	for range 3 { // a second signal must not kill the process
		if err := cmd.Process.Signal(os.Interrupt); err != nil && !errors.Is(err, os.ErrProcessDone) {
			t.Fatal(err)
		}
	}
	logLine(t, lines, "stopped")
	if err := cmd.Wait(); err != nil {
		t.Errorf("exit = %v, want 0", err)
	}
	if _, err := os.Stat(ready); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("ready file after the stop: %v, want none", err)
	}
}

// readyFile waits until the proxy has replaced the ready file of an earlier process, and reads it.
// The log line comes before the file. The deadline of the test binary limits the wait.
func readyFile(t *testing.T, path string) (file map[string]any) {
	t.Helper()
	for file == nil {
		if text, err := os.ReadFile(path); err == nil && !bytes.Contains(text, []byte(`:1"`)) {
			if err := json.Unmarshal(text, &file); err != nil {
				t.Fatalf("ready file %q: %v", text, err)
			}
		}
	}
	return file
}

// logLine reads JSON lines until one has the given message.
func logLine(t *testing.T, lines *bufio.Scanner, message string) map[string]any {
	t.Helper()
	for lines.Scan() {
		var line map[string]any
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			t.Fatalf("log line %q: %v", lines.Text(), err)
		}
		if line["msg"] == message {
			return line
		}
	}
	t.Fatalf("the log ended without %q", message)
	return nil
}

// TestTLS renews the certificate of a running proxy.
func TestTLS(t *testing.T) {
	t.Parallel()
	bin := filepath.Join(build(t), "proxy")
	dir := t.TempDir()
	if err := instance.WriteClients(dir, clients); err != nil {
		t.Fatal(err)
	}
	certFile, keyFile := filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")
	writePair(t, certFile, keyFile, "first")
	ready := filepath.Join(dir, "ready.json")
	cmd := exec.Command(
		bin,
		"--work.folder="+dir,
		"--state.folder="+filepath.Join(dir, "state"),
		"--ready.file="+ready,
		"--server.ssl.certificate="+certFile,
		"--server.ssl.certificate-private-key="+keyFile,
		"--server.address=127.0.0.1",
		"--server.port=0",
		"--management.server.address=127.0.0.1",
		"--management.server.port=0",
	)
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Process.Kill()
	lines := bufio.NewScanner(stderr)
	address := logLine(t, lines, "listening")["rest"].(string)
	if name, protocol := handshake(t, address); name != "first" || protocol != "h2" {
		t.Errorf("handshake = %q with %q, want first with h2", name, protocol)
	}
	writePair(t, certFile, keyFile, "second")
	logLine(t, lines, "certificate reloaded")
	if name, _ := handshake(t, address); name != "second" {
		t.Errorf("certificate after renewal = %q, want second", name)
	}
	old := &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS11}
	if _, err := tls.Dial("tcp", address, old); err == nil {
		t.Error("TLS 1.1 was accepted")
	}
}

func handshake(t *testing.T, address string) (name, protocol string) {
	t.Helper()
	// The test checks the certificate itself, because no authority vouches for it.
	conn, err := tls.Dial("tcp", address, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2", "http/1.1"}})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	return conn.ConnectionState().PeerCertificates[0].Subject.CommonName, conn.ConnectionState().NegotiatedProtocol
}

// writePair replaces the certificate and then the key, as renewals do.
func writePair(t *testing.T, certFile, keyFile, name string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject:      pkix.Name{CommonName: name},
		NotAfter:     time.Now().Add(time.Hour),
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for file, block := range map[string]*pem.Block{
		certFile: {Type: "CERTIFICATE", Bytes: cert},
		keyFile:  {Type: "PRIVATE KEY", Bytes: private},
	} {
		write(t, file+".new", pem.EncodeToMemory(block))
		if err := os.Rename(file+".new", file); err != nil {
			t.Fatal(err)
		}
	}
}

func write(t *testing.T, path string, content []byte) {
	t.Helper()
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

// drip writes one byte every 100 ms until the connection is closed or the test ends.
func drip(ctx context.Context, conn net.Conn) {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if _, err := conn.Write([]byte("a")); err != nil {
				return
			}
		}
	}
}

// TestSlowHeadIsEnded sends the head of a request byte by byte, as a slow-loris attacker does. The
// header timeout ends the connection, while the proxy serves other clients.
func TestSlowHeadIsEnded(t *testing.T) {
	t.Parallel() // it waits for a timeout of ten seconds
	dir := t.TempDir()
	if err := instance.WriteClients(dir, clients); err != nil {
		t.Fatal(err)
	}
	p := startInstance(
		t,
		instance.Options{
			Binary: filepath.Join(build(t), "proxy"),
			Work:   dir,
			State:  filepath.Join(dir, "state"),
			Log:    io.Discard,
		},
	)
	defer p.Kill()
	conn, err := net.Dial("tcp", strings.TrimPrefix(p.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: proxy\r\nX-Slow: "); err != nil {
		t.Fatal(err)
	}
	go drip(t.Context(), conn)
	if err := conn.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	_, err = io.Copy(io.Discard, conn) // until the proxy closes it
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		t.Error("the connection was still open after a minute")
	}
	resp, err := http.Get(p.Management + "/readyz")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Errorf("readyz = %d, want 200", resp.StatusCode)
	}
}
