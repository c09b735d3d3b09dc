// Command proxy signs documents on its users' own premises. It accepts documents over REST, sends
// only digests to the service that holds the key, and returns the signed documents.
//
// Exit codes: 0 means stopped on request, or help or version printed. 1 means failed while starting
// or running. 2 means that the configuration has mistakes. With --check-config, 0 means that the
// configuration is valid, and 1 that it is not.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	_ "time/tzdata" // templates of visible signatures name time zones; a minimal container has no database of them

	"github.com/signstash-proxy/signstash-proxy/pkg/config"
)

// version is set by the linker (-X main.version=…).
var version = "devel"

func main() {
	ctx, again, end := stopSignals(context.Background())
	err := run(ctx, again, os.Args[1:], os.Environ(), os.Stdout, os.Stderr)
	end()
	if err != nil {
		fmt.Fprintf(os.Stderr, "proxy: %v\n", err)
	}
	os.Exit(exitCode(err))
}

// run is the program without signal handling and the exit code. It returns when ctx is done and all
// parts have ended. again is closed at a second signal; see stopSignals.
func run(ctx context.Context, again <-chan struct{}, args, env []string, stdout, stderr io.Writer) error {
	hostName, err := os.Hostname()
	if err != nil {
		hostName = "" // --server.host.port may be needed then; the endpoint's resolver reports it
	}
	cfg, err := config.Load(config.Input{Args: args, Env: env, HostName: hostName, ProviderKinds: providerKinds()})
	switch {
	case cfg.CheckConfig:
		return checkConfig(ctx, cfg, err, stdout)
	case err != nil:
		return err
	case cfg.Help:
		_, err = io.WriteString(stdout, config.Help("proxy"))
		return err
	case cfg.Version:
		_, err = fmt.Fprintf(stdout, "signstash-proxy %s\n", version)
		return err
	}
	p, err := open(ctx, cfg, newLogger(cfg.Log, stderr))
	if err != nil {
		return err
	}
	return errors.Join(p.serve(ctx, again), p.close())
}

// exitCode returns the exit code for err. The package comment lists the codes.
func exitCode(err error) int {
	var invalid *config.InvalidError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &invalid):
		return 2
	}
	return 1
}
