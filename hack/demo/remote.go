package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

// remoteSide is the process of the simulated remote service. A nil remoteSide means that there is
// none, and the embedded key signs without timestamps.
type remoteSide struct {
	cmd  *exec.Cmd
	url  string
	root string // PEM file
}

// startRemote starts the simulated remote service if provider is csc. The service accepts the
// demo's client service.
func startRemote(ctx context.Context, provider, temp, secret string) (*remoteSide, error) {
	switch provider {
	case "", "embedded":
		return nil, nil
	case "csc":
	default:
		return nil, fmt.Errorf("no such provider: %s (embedded or csc)", provider)
	}
	step("starting a simulated remote service: CSC v2, timestamps, OCSP")
	program := filepath.Join(temp, "signingservice")
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", program, "./hack/signingservice")
	if out, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build signing service: %w: %s", err, out)
	}
	r := &remoteSide{root: filepath.Join(temp, "root.pem")}
	r.cmd = exec.Command(program, "-address", "127.0.0.1:0", "-key-file", "", "-root-file", r.root,
		"-quiet", "-pin", "", "-client", clientID+"="+secret)
	stdout, err := r.cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("start signing service: %w", err)
	}
	if err := r.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start signing service: %w", err)
	}
	for lines := bufio.NewScanner(stdout); lines.Scan(); {
		if _, url, ok := strings.Cut(lines.Text(), "listening on "); ok {
			r.url = url
			fmt.Println("  remote service at", r.url)
			return r, nil
		}
	}
	r.stop()
	return nil, errors.New("start signing service: it ended without an address")
}

func (r *remoteSide) stop() {
	if r == nil {
		return
	}
	_ = r.cmd.Process.Signal(syscall.SIGTERM)
	_ = r.cmd.Wait()
}

// words describes what signs.
func (r *remoteSide) words() string {
	if r == nil {
		return "its embedded key"
	}
	return "the domain of the remote service and the URL of its timestamp authority"
}

// flags returns the flags of the proxy.
func (r *remoteSide) flags() []string {
	if r == nil {
		return nil
	}
	return []string{
		"--einvoice-integration-client.service.domain=" + r.url,
		"--timestamp.urls=" + r.url + "/tsa",
		"--timestamp.ca-file=" + r.root,
	}
}

// level returns the level for which signctl asks.
func (r *remoteSide) level() string {
	if r == nil {
		return "B-B"
	}
	return "B-T"
}

// trust replaces the CA certificate with which results are checked, if a remote service signs.
func (r *remoteSide) trust(caFile *string) error {
	if r == nil {
		return nil
	}
	if _, err := os.Stat(r.root); err != nil {
		return fmt.Errorf("read root certificate: %w", err)
	}
	*caFile = r.root
	return nil
}
