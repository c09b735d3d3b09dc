//go:build e2e

package e2e

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"testing"

	"github.com/signstash-proxy/signstash-proxy/pkg/e2e/cluster"
)

// images are the images that hack/e2e/images has built.
var images = []string{"signstash-proxy:e2e", "signstash-proxy:e2e-next", "signstash-trial:e2e", "signstash-door:e2e",
	"signstash-bucket:e2e"}

// kind is the cluster in which the tests run.
var kind cluster.Config

// TestMain creates the cluster unless it exists, and loads the images. It removes a cluster that it
// has created, unless KEEP is set.
func TestMain(m *testing.M) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code, err := inCluster(ctx, m.Run)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "end-to-end tests:", err)
		code = max(code, 1)
	}
	os.Exit(code)
}

func inCluster(ctx context.Context, tests func() int) (code int, err error) {
	if kind, err = cluster.FromEnvironment("../../hack/kind"); err != nil {
		return 1, err
	}
	made, err := cluster.Up(ctx, kind)
	down := func() error {
		if !made || os.Getenv("KEEP") != "" {
			return nil
		}
		return cluster.Down(kind)
	}
	defer func() { err = errors.Join(err, down()) }()
	if err != nil {
		return 1, err
	}
	if err := cluster.Load(ctx, kind, images...); err != nil {
		return 1, err
	}
	if err := os.Setenv("KUBECONFIG", kind.Kubeconfig()); err != nil { // for kubectl and helm
		return 1, err
	}
	finished := context.AfterFunc(ctx, func() { // the tests do not know ctx
		fmt.Fprintln(os.Stderr, "end-to-end tests: stopped by a signal")
		if err := down(); err != nil {
			fmt.Fprintln(os.Stderr, "end-to-end tests:", err)
		}
		os.Exit(1)
	})
	code = tests()
	finished()
	return code, nil
}

// instancePort returns the NodePort of an instance of the release under test. With one node the
// same port of loopback leads to it.
func instancePort(ordinal int) int { return kind.Port + 1 + ordinal }

// doorPort returns the loopback port that leads to the door.
func doorPort() int { return kind.Port + cluster.Ports - 1 }
