// Signingservice is a simulated remote signing service for tests, demonstrations and clusters. It
// is not a signing service, and its certificates say SIMULATED. It keeps its keys over a restart in
// the file of --key-file. Package service describes its interfaces. It also serves a timestamp
// authority (/tsa), OCSP (/ocsp) and CRLs (/crl/0, /crl/1).
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/go-logr/logr"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "signingservice:", err)
		os.Exit(1)
	}
}

const banner = `
  *********************************************************************
  **  SIMULATED SIGNING SERVICE. Its signatures have no value at all. **
  *********************************************************************
`

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	set, err := parse(args, stderr)
	if err != nil {
		return err
	}
	if err := set.checkAddress(); err != nil {
		return err
	}
	if !set.quiet {
		set.options.Log = logr.FromSlogHandler(slog.NewJSONHandler(stderr, nil))
	}
	listener, err := net.Listen("tcp", set.address)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	defer func() { _ = listener.Close() }()
	sim, err := newSimulation(set, "http://"+listener.Addr().String())
	if err != nil {
		return err
	}
	defer sim.service.Close()
	if set.rootFile != "" {
		if err := os.WriteFile(set.rootFile, sim.service.Authority().RootPEM(), 0o644); err != nil {
			return fmt.Errorf("write root certificate: %w", err)
		}
	}
	fmt.Fprint(stderr, banner)
	fmt.Fprintf(stdout, "listening on http://%s\n", listener.Addr())
	return serve(ctx, listener, sim)
}

// serve runs until ctx ends. Then it gives running requests two seconds to end.
func serve(ctx context.Context, listener net.Listener, sim *simulation) error {
	server := &http.Server{
		Handler:           sim.handler(),
		ReadHeaderTimeout: 10 * time.Second,
		ErrorLog:          slog.NewLogLogger(slog.DiscardHandler, slog.LevelInfo),
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	select {
	case err := <-ended:
		return fmt.Errorf("serve: %w", err)
	case <-ctx.Done():
	}
	sim.service.Close()
	stopping, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	if err := server.Shutdown(stopping); err != nil {
		_ = server.Close()
	}
	if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve: %w", err)
	}
	return nil
}
