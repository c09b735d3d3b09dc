//go:build e2e

package e2e

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/e2e/cluster"
)

const (
	releaseFolder = "../../hack/release"
	// releaseTime is how long the build of a release may take. It links eight programs.
	releaseTime = 10 * time.Minute
	// portTries is how often a port is looked for that is free at two addresses.
	portTries = 20
)

// servedRelease is what `release serve` prints.
type servedRelease struct {
	Version   string
	Registry  string // as the nodes reach it
	Local     string // the same registry on loopback
	Chart     string
	PublicKey string // file
}

// fromRegistry is a cluster in which a release is installed from a registry.
type fromRegistry struct {
	*world
	program string // hack/release
	served  servedRelease
}

// TestRelease builds a release of this checkout and pushes it to a registry. It verifies every
// signature, SBOM and provenance there, and then installs the chart from the registry. The nodes
// pull the images that were verified.
func TestRelease(t *testing.T) {
	r := &fromRegistry{world: newWorld(t), program: filepath.Join(t.TempDir(), "release")}
	r.must("go", "build", "-C", releaseFolder, "-trimpath", "-buildvcs=false", "-o", r.program, ".")
	address, err := cluster.HostAddress(t.Context(), kind)
	if err != nil {
		t.Fatal(err)
	}
	bridge, port := listenTwice(t, address)
	r.serve(t, address, port)
	forward(t, bridge, net.JoinHostPort("127.0.0.1", port))
	if err := cluster.AllowPlainRegistry(t.Context(), kind, net.JoinHostPort(address, port)); err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		name string
		run  func(*fromRegistry)
	}{
		{"verify", (*fromRegistry).verify},
		{"install", (*fromRegistry).start},
		{"sign", (*fromRegistry).sign},
		{"remove", (*fromRegistry).remove},
	} {
		if !r.step(t, step.name, func() { step.run(r) }) {
			break
		}
	}
	t.Logf("steps:%s", r.times.String())
}

// listenTwice listens on a port of address, which is free on loopback too. It skips the test if
// this machine does not have the address, as where the container engine runs in a virtual machine.
func listenTwice(t *testing.T, address string) (l net.Listener, port string) {
	t.Helper()
	for range portTries {
		l, err := net.Listen("tcp", net.JoinHostPort(address, "0"))
		if err != nil {
			t.Skipf("the nodes cannot reach this machine: %v", err)
		}
		port := strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
		loopback, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", port))
		if err == nil {
			err = loopback.Close()
		}
		if err == nil {
			t.Cleanup(func() { _ = l.Close() })
			return l, port
		}
		_ = l.Close()
	}
	t.Fatal("no port is free at both addresses")
	return nil, ""
}

// forward connects every client of l with the address to, until l is closed at the end of the test.
func forward(t *testing.T, l net.Listener, to string) {
	var connections sync.WaitGroup
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	connections.Go(func() {
		for {
			near, err := l.Accept()
			if err != nil {
				return
			}
			connections.Go(func() { connect(ctx, near, to) })
		}
	})
	t.Cleanup(func() {
		stop()
		_ = l.Close()
		connections.Wait()
	})
}

// connect copies bytes both ways until one side has ended or ctx is done.
func connect(ctx context.Context, near net.Conn, to string) {
	defer func() { _ = near.Close() }()
	far, err := (&net.Dialer{}).DialContext(ctx, "tcp", to)
	if err != nil {
		return
	}
	closeBoth := func() { _, _ = near.Close(), far.Close() }
	defer context.AfterFunc(ctx, closeBoth)()
	var copies sync.WaitGroup
	for _, way := range [][2]net.Conn{{near, far}, {far, near}} {
		copies.Go(func() {
			_, _ = io.Copy(way[0], way[1])
			closeBoth()
		})
	}
	copies.Wait()
}

// serve builds the release for the nodes' platform and serves it on loopback until the end of the
// test. The chart in it names the registry at address.
func (r *fromRegistry) serve(t *testing.T, address, port string) {
	t.Helper()
	cmd := exec.Command(r.program, "serve", "-top", "../..", "-listen", net.JoinHostPort("127.0.0.1", port),
		"-host", address, "-platforms", "linux/"+runtime.GOARCH, "-clients", "")
	var log strings.Builder
	cmd.Stderr = &log
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("release serve:\n%s", log.String())
		}
	})
	overdue := time.AfterFunc(releaseTime, func() { _ = cmd.Process.Kill() })
	defer overdue.Stop()
	line, err := bufio.NewReader(out).ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(line, &r.served)
	}
	if err != nil {
		t.Fatalf("release serve: %v", err)
	}
}

// verify verifies the release as a user does, with the public key. With another key it fails.
func (r *fromRegistry) verify() {
	args := []string{"verify", "-registry", r.served.Local, "-plain-http", "-version", r.served.Version, "-allow-dirty"}
	r.t.Log(r.must(r.program, append(args, "-key", r.served.PublicKey)...))
	other := filepath.Join(r.t.TempDir(), "other")
	r.must(r.program, "keygen", "-output", other)
	out, err := run(r.t.Context(), "", r.program, append(args, "-key", other+".pub")...)
	if err == nil {
		r.t.Fatalf("the release was accepted with another key:\n%s", out)
	}
	r.t.Log(err)
}

// start installs the chart from the registry, as the README of hack/release says.
func (r *fromRegistry) start() {
	r.prepare()
	r.chart = r.served.Chart
	r.values = map[string]string{"trial.enabled": "true", "replicas": "1", "persistence.size": "200Mi"}
	r.helm("--wait", "--plain-http", "--version", r.served.Version)
	r.wantReady(1)
	for component, repository := range map[string]string{
		"proxy": "signstash-proxy", "controller": "signstash-proxy", "trial": "signstash-trial",
	} {
		want := fmt.Sprintf("%s/%s@%s", r.served.Registry, repository, r.digest(repository))
		images := r.kubectl("get", "pods", "-l", "app.kubernetes.io/component="+component, "-o",
			"jsonpath={range .items[*].status.containerStatuses[*]}{.imageID}{\"\\n\"}{end}")
		if images == "" {
			r.t.Errorf("there is no %s", component)
		}
		for _, image := range strings.Fields(images) {
			if image != want {
				r.t.Errorf("%s runs %s, want %s", component, image, want)
			}
		}
	}
}

// digest returns the digest of the image in the registry.
func (r *fromRegistry) digest(repository string) string {
	r.t.Helper()
	host, path, _ := strings.Cut(r.served.Local, "/")
	url := fmt.Sprintf("http://%s/v2/%s/%s/manifests/%s", host, path, repository, r.served.Version)
	a, err := call(r.t.Context(), http.DefaultClient, credential{}, http.MethodGet, url, nil)
	digest := a.header.Get("Docker-Content-Digest")
	if err == nil && digest == "" {
		err = errors.New("no digest")
	}
	if err != nil {
		r.t.Fatalf("%s: %v, %v", url, a, err)
	}
	return digest
}

// sign signs a document with the installed release.
func (r *fromRegistry) sign() {
	r.kubectl("apply", "-f", "../../config/samples/client-service.yaml")
	r.accepted(r.admin, 1)
	r.accept(front, "released")
	r.ended(front, "released")
	r.signed(r.decode(r.ask(http.StatusOK, http.MethodGet, detailURL(front, "released"), nil)))
}

// remove removes the release and its volumes.
func (r *fromRegistry) remove() {
	r.must("helm", "uninstall", release, "-n", namespace, "--wait", "--timeout", "3m")
	for _, name := range []string{namespace, doorNamespace} {
		r.must("kubectl", "delete", "namespace", name, "--wait=false")
	}
}
