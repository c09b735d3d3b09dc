// Signingservice is a simulated remote signing service for tests, demonstrations and clusters. It is no signing service: its keys
// live as long as the process and its certificates say SIMULATED. See package service for what it speaks.
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

	"github.com/signstash-proxy/signstash-proxy/hack/signingservice/service"
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

// adminPath is where the simulation's own controls are mounted.
const adminPath = "/simulator"

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
	s, err := service.New(set.options)
	if err != nil {
		return fmt.Errorf("make service: %w", err)
	}
	defer s.Close()
	for _, f := range set.faults {
		if err := s.Misbehave(f); err != nil {
			return err
		}
	}
	if set.rootFile != "" {
		if err := os.WriteFile(set.rootFile, s.Authority().RootPEM(), 0o644); err != nil {
			return fmt.Errorf("write root certificate: %w", err)
		}
	}
	listener, err := net.Listen("tcp", set.address)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	fmt.Fprint(stderr, banner)
	fmt.Fprintf(stdout, "listening on http://%s\n", listener.Addr())
	return serve(ctx, listener, s)
}

// serve runs until ctx ends, then gives running requests a moment.
func serve(ctx context.Context, listener net.Listener, s *service.Service) error {
	mux := http.NewServeMux()
	mux.Handle("/", s)
	mux.Handle(adminPath+"/", http.StripPrefix(adminPath, s.Admin()))
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelInfo)}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	select {
	case err := <-ended:
		return fmt.Errorf("serve: %w", err)
	case <-ctx.Done():
	}
	s.Close()
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
