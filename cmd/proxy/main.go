// Command proxy signs documents on the premises of its users: it takes them over REST, sends
// digests alone to the key, and gives the signed documents back.
//
// Exit codes: 0 stopped as asked, or help or version printed; 1 failed while starting or running; 2
// the configuration has mistakes.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	_ "time/tzdata" // templates of visible signatures name time zones; a bare container has no database of them

	"github.com/signstash-proxy/signstash-proxy/pkg/config"
)

// version is set by the linker (-X main.version=…).
var version = "devel"

func main() {
	// Signals after the first are ignored: engines, shells and timeout(1) send them twice, to process
	// and group. The grace period bounds the stop, and SIGKILL is there for the impatient: nothing
	// accepted is lost by it.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Environ(), os.Stdout, os.Stderr)
	stop()
	if err != nil {
		fmt.Fprintf(os.Stderr, "proxy: %v\n", err)
	}
	os.Exit(exitCode(err))
}

// run is the program but for signals and the exit code. It returns when ctx is done and everything
// has ended.
func run(ctx context.Context, args, env []string, stdout, stderr io.Writer) error {
	hostName, err := os.Hostname()
	if err != nil {
		hostName = "" // then --server.host.port may be needed, and the endpoint's resolver says so
	}
	cfg, err := config.Load(config.Input{Args: args, Env: env, HostName: hostName, ProviderKinds: providerKinds()})
	switch {
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
	return errors.Join(p.serve(ctx), p.close())
}

// exitCode is what the process ends with; see the package's comment.
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
