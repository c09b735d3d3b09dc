package controller_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/controller/internal/testenv"
)

// wantAlive checks that the program has not ended and that its liveness probe succeeds.
func (p *program) wantAlive() {
	p.t.Helper()
	select {
	case err := <-p.ended:
		p.ended = nil
		p.t.Fatalf("the controller ended with %v", err)
	default:
	}
	if _, err := p.get(p.health, "/healthz"); err != nil {
		p.t.Errorf("the controller is not alive: %v", err)
	}
}

// wantUnready waits until the readiness probe fails with that text.
func (p *program) wantUnready(text string) {
	p.t.Helper()
	testenv.Within(p.t, outage, func() error {
		p.wantAlive()
		if _, err := p.get(p.health, "/readyz"); err == nil || !strings.Contains(err.Error(), text) {
			return fmt.Errorf("the readiness probe says %v, want %q", err, text)
		}
		return nil
	})
}

// outage is how long a test waits for what a controller does without its API server. It must renew
// its Lease within 10 s, and each of its calls may take 10 s more.
const outage = 3 * time.Minute

// TestPausedServer pauses the API server until the controller has lost the leader election. The
// controller must stay alive, and must work again when the server goes on.
func TestPausedServer(t *testing.T) {
	c, namespace := release(t)
	p := start(t, namespace)
	wantRendered(t, c, namespace, 0)
	resume := server.Pause(t)
	p.wantUnready("waiting for the API server")
	resume()
	if err := createClient(t, c, namespace, 1); err != nil {
		t.Fatal(err)
	}
	testenv.Within(t, outage, func() error {
		p.wantAlive()
		if got, err := rendered(t, c, namespace); err != nil || got != 1 {
			return fmt.Errorf("%d client services are rendered, %v", got, err)
		}
		_, err := p.get(p.health, "/readyz")
		return err
	})
	for _, line := range []string{"the controller stopped working and starts again", "waiting for the API server"} {
		if !strings.Contains(p.log.String(), line) {
			t.Errorf("the log does not say %q", line)
		}
	}
	testenv.Eventually(t, func() error { // the metrics of the second manager replace those of the first
		text, err := p.get(p.metrics, "/metrics")
		if err == nil && !strings.Contains(text, "\nsignstash_controller_client_services 1\n") {
			err = errors.New("the metrics do not count the client service")
		}
		return err
	})
	wantNoWarnings(t, p)
}

// wantNoWarnings checks that no reconciler returned a result together with an error, which
// controller-runtime warns of.
func wantNoWarnings(t *testing.T, p *program) {
	t.Helper()
	if strings.Contains(p.log.String(), "Warning: Reconciler returned both") {
		t.Error("a reconciler returns a result together with an error")
	}
}

// TestStartBeforeServer starts the controller before its API server can be reached. It must wait
// and then work.
func TestStartBeforeServer(t *testing.T) {
	c, namespace := release(t)
	user := "controller-" + namespace
	gate := newGate(t, server.Kubeconfig(t, user))
	p := startWith(t, namespace, user, gate.kubeconfig)
	testenv.Eventually(t, func() error { // the process has started
		_, err := p.get(p.health, "/healthz")
		return err
	})
	p.wantUnready("waiting for the API server")
	if !strings.Contains(p.log.String(), "waiting for the API server") {
		t.Error("the log does not say what the controller waits for")
	}
	gate.open()
	testenv.Within(t, outage, func() error {
		p.wantAlive()
		_, err := rendered(t, c, namespace)
		return err
	})
}

// gate is an address that refuses connections until it is opened, and then leads to the API server.
type gate struct {
	t               *testing.T
	address, server string // host:port
	kubeconfig      string // of a user who reaches the server through the gate
}

// newGate returns a closed gate for a kubeconfig.
func newGate(t *testing.T, kubeconfig string) *gate {
	t.Helper()
	u, err := url.Parse(server.Config(t).Host)
	if err != nil {
		t.Fatal(err)
	}
	g := &gate{t: t, address: freeAddress(t), server: u.Host, kubeconfig: filepath.Join(t.TempDir(), "kubeconfig")}
	if g.server == "" {
		g.server = server.Config(t).Host
	}
	content, err := os.ReadFile(kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	changed := strings.ReplaceAll(string(content), g.server, g.address)
	if changed == string(content) {
		t.Fatalf("the kubeconfig does not name %s", g.server)
	}
	if err := os.WriteFile(g.kubeconfig, []byte(changed), 0o600); err != nil {
		t.Fatal(err)
	}
	return g
}

// open opens the gate until the test ends.
func (g *gate) open() {
	g.t.Helper()
	l, err := net.Listen("tcp", g.address)
	if err != nil {
		g.t.Fatal(err)
	}
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			go g.carry(client) // until the program ends
		}
	}()
	g.t.Cleanup(func() { _ = l.Close() })
}

// carry copies between a client and the server until one of them closes its connection.
func (g *gate) carry(client net.Conn) {
	defer client.Close()
	server, err := net.Dial("tcp", g.server)
	if err != nil {
		return
	}
	defer server.Close()
	done := make(chan struct{}, 2)
	for _, pair := range [][2]net.Conn{{client, server}, {server, client}} {
		go func() {
			_, _ = io.Copy(pair[0], pair[1])
			done <- struct{}{}
		}()
	}
	<-done
}
