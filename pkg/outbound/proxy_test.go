package outbound_test

import (
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/outbound"
)

func proxyAt(t *testing.T, address string) outbound.Config {
	t.Helper()
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	return outbound.Config{Settings: outbound.Settings{ProxyHost: host, ProxyPort: n}}
}

// startTinyproxy runs a real HTTP proxy on loopback that requires user and password. It returns the
// proxy's address and its log file.
func startTinyproxy(t *testing.T) (address, logFile string) {
	t.Helper()
	program, err := exec.LookPath("tinyproxy")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("tinyproxy is not installed")
		}
		t.Skip("tinyproxy is not installed")
	}
	folder := t.TempDir()
	address, logFile = closedPort(t), filepath.Join(folder, "log")
	_, port, _ := net.SplitHostPort(address)
	config := filepath.Join(folder, "tinyproxy.conf")
	text := fmt.Sprintf(
		"Port %s\nListen 127.0.0.1\nTimeout 60\nMaxClients 20\nLogFile %q\nLogLevel Info\nAllow 127.0.0.1\n"+
			"BasicAuth simulated password1\n",
		port,
		logFile,
	)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, "-d", "-c", config)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	for deadline := time.Now().Add(time.Minute); ; {
		c, err := net.Dial("tcp", address)
		if err == nil {
			_ = c.Close()
			return address, logFile
		}
		if time.Now().After(deadline) {
			t.Fatalf("tinyproxy does not listen: %v", err)
		}
	}
}

// TestTinyproxy checks that plain calls and TLS go through a real proxy with credentials. With
// wrong credentials, the error says that nothing was sent.
func TestTinyproxy(t *testing.T) {
	address, logFile := startTinyproxy(t)
	plain := newServer(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Proxy-Authorization") != "" {
			t.Error("the proxy's password reached the server")
		}
		_, _ = w.Write([]byte(r.Header.Get("Via")))
	})
	secure := newTLSServer(t)
	folder := t.TempDir()
	config := proxyAt(t, address)
	config.CAFile = filepath.Join(folder, "ca.pem")
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: secure.Certificate().Raw})
	config.ProxyCredentialsFile = filepath.Join(folder, "credentials")
	credentials := func(v string) {
		if err := os.WriteFile(config.ProxyCredentialsFile, []byte(v), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	credentials("simulated:password1\n")
	if err := os.WriteFile(config.CAFile, ca, 0o600); err != nil {
		t.Fatal(err)
	}
	client := newClient(t, config)
	a, err := outbound.Exchange(client, post(t.Context(), t, plain.URL), 1000)
	if err != nil || a.Status != http.StatusOK || !strings.Contains(string(a.Body), "tinyproxy") {
		t.Errorf("plain: Exchange = %+v, %v; want an answer by way of tinyproxy", a, err)
	}
	a, err = outbound.Exchange(client, post(t.Context(), t, secure.URL), 1000)
	if err != nil || string(a.Body) != "HTTP/2.0" {
		t.Errorf("TLS: Exchange = %+v, %v; want HTTP/2.0 through a tunnel", a, err)
	}
	written, err := os.ReadFile(logFile)
	if err != nil || !strings.Contains(string(written), "CONNECT "+strings.TrimPrefix(secure.URL, "https://")) {
		t.Errorf("the proxy's log has no CONNECT (%v)", err)
	}

	credentials("simulated:wrong\n")
	client.CloseIdleConnections()
	_, err = outbound.Exchange(client, post(t.Context(), t, secure.URL), 1000)
	if lost, ok := err.(*outbound.LostError); !ok || lost.Sent {
		t.Errorf("wrong password: Exchange = %v, want a request that was not sent", err)
	}
	if err != nil && strings.Contains(err.Error(), "wrong") {
		t.Errorf("error %q holds the password", err)
	}
	status := refusedBy(outbound.Exchange(client, post(t.Context(), t, plain.URL), 100<<10))
	if status != http.StatusProxyAuthRequired && status != http.StatusUnauthorized {
		t.Errorf("wrong password: status %d, want 407 (or 401, as old releases say)", status)
	}
	credentials("simulated:password1\n") // they may change while the client is in use
	if a, err := outbound.Exchange(client, post(t.Context(), t, secure.URL), 1000); err != nil ||
		a.Status != http.StatusOK {
		t.Errorf("right again: Exchange = %v, %v", a, err)
	}
}

// refusedBy returns the status of a complete or incomplete answer, because tinyproxy resets the
// connection after a refusal.
func refusedBy(a *outbound.Answer, err error) int {
	var lost *outbound.LostError
	if errors.As(err, &lost) {
		return lost.Status
	}
	return a.Status
}

// TestProxyCredentials checks that user:password is read from the first line of the file, and that
// errors contain nothing of it.
func TestProxyCredentials(t *testing.T) {
	var got string
	proxy := newServer(t, func(w http.ResponseWriter, r *http.Request) {
		got = r.Header.Get("Proxy-Authorization")
		_, _ = io.WriteString(w, r.URL.String())
	})
	config := proxyAt(t, strings.TrimPrefix(proxy.URL, "http://"))
	config.ProxyCredentialsFile = filepath.Join(t.TempDir(), "credentials")
	client := newClient(t, config)
	for content, want := range map[string]string{
		"a:b":             "Basic YTpi",
		"a:b:c\r\nmore":   "Basic YTpiOmM=",
		"secret-no-colon": "",
		":b":              "",
	} {
		got = ""
		if err := os.WriteFile(config.ProxyCredentialsFile, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := outbound.Exchange(client, post(t.Context(), t, "http://simulated.invalid/x"), 1000)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("credentials %q: Proxy-Authorization %q, %v; want %q", content, got, err, want)
		}
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("error %q holds the content", err)
		}
	}
}
