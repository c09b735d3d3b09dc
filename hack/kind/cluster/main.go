// Command cluster creates and removes the kind cluster of the end-to-end tests and loads images
// into it. People and scripts use it.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/signstash-proxy/signstash-proxy/pkg/e2e/cluster"
)

const usage = `usage, in the repository's top folder:

  go run ./hack/kind/cluster up               make the cluster unless it is there; print the path of its kubeconfig
  go run ./hack/kind/cluster load IMAGE...    copy images from the Docker engine to its nodes
  go run ./hack/kind/cluster down             remove it

Settings: KIND_CLUSTER, KIND_PORT, KIND_WORKERS, KIND_NODE, KIND_WORK_DIR (pkg/e2e/cluster/config.go).
`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	c, err := cluster.FromEnvironment("hack/kind")
	if err != nil {
		return err
	}
	switch {
	case len(args) == 1 && args[0] == "up":
		if _, err := cluster.Up(ctx, c); err != nil {
			return err
		}
		fmt.Println(c.Kubeconfig())
		return nil
	case len(args) > 1 && args[0] == "load":
		return cluster.Load(ctx, c, args[1:]...)
	case len(args) == 1 && args[0] == "down":
		return cluster.Down(c)
	}
	return errors.New(usage)
}
