// Command controller gives client credentials and endpoints to the instances of the proxy in a
// Kubernetes cluster.
//
// Exit codes: 0 = stopped by a signal, or help or version printed; 1 = failed to start; 2 = the
// flags have mistakes. A missing API server and a lost leader election do not end the process.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/signstash-proxy/signstash-proxy/pkg/controller"
	"github.com/signstash-proxy/signstash-proxy/pkg/memorylimit"
)

// version is set by the linker (-X main.version=…).
var version = "devel"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Environ(), os.Stdout, os.Stderr)
	stop()
	if err != nil {
		fmt.Fprintf(os.Stderr, "controller: %v\n", err)
	}
	os.Exit(exitCode(err))
}

// run is the program without signal handling and exit code. It returns when ctx is done and
// everything has ended.
func run(ctx context.Context, args, env []string, stdout, stderr io.Writer) error {
	s, err := parse(args, env, stdout)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return nil
	case err != nil:
		return err
	case s.version:
		_, err = fmt.Fprintf(stdout, "signstash-controller %s\n", version)
		return err
	}
	logger := newLogger(s, stderr)
	klog.SetLogger(logger) // for the log lines of the client library
	s.config.Log = logger
	if s.config.REST, err = ctrl.GetConfig(); err != nil {
		return fmt.Errorf("find the cluster: %w", err)
	}
	memory := memorylimit.New(memorylimit.Config{Log: logger.WithName("memory")})
	go func() { _ = memory.Run(ctx) }() // returns nil when ctx is done
	return controller.Run(ctx, s.config)
}

// exitCode returns the exit code for err. See the comment of the package.
func exitCode(err error) int {
	var invalid *invalidError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &invalid):
		return 2
	}
	return 1
}
