package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/google/go-containerregistry/pkg/registry"

	"github.com/signstash-proxy/signstash-proxy/hack/release/build"
	"github.com/signstash-proxy/signstash-proxy/hack/release/cosign"
	"github.com/signstash-proxy/signstash-proxy/hack/release/oci"
	"github.com/signstash-proxy/signstash-proxy/hack/release/statement"
	"github.com/signstash-proxy/signstash-proxy/hack/release/verify"
)

// headerTimeout bounds how long a client may take for the head of a request.
const headerTimeout = 10 * time.Second

// served is the line that `release serve` prints when the release can be installed.
type served struct {
	Version   string `json:"version"`
	Registry  string `json:"registry"`  // as the nodes of the cluster reach it, with the path
	Local     string `json:"local"`     // the same registry on loopback
	Chart     string `json:"chart"`     // for helm install, with --plain-http and --version
	Folder    string `json:"folder"`    // of the release
	PublicKey string `json:"publicKey"` // file
}

// pathInRegistry is the path of the repositories in the registry.
const pathInRegistry = "/signing"

// runServe builds a release, signs it with a new key, pushes it to a registry in memory, verifies
// it there, prints a line of JSON (served), and serves the registry until ctx is done. The registry
// has no TLS and asks for no credentials.
func runServe(ctx context.Context, args []string, stdout io.Writer) error {
	cfg := build.Config{Log: logTo(os.Stderr), Builder: statement.Project + "/hack/release/serve",
		SourceURI: statement.Project, AllowDirty: true}
	flags := flag.NewFlagSet("serve", flag.ContinueOnError)
	listen := flags.String("listen", "127.0.0.1:0", "`address` of the registry; port 0 means a free one")
	host := flags.String("host", "",
		"`host` by which the nodes of a cluster reach the registry; empty means that of -listen")
	dir := flags.String("dir", "",
		"existing `folder` for the release and its key; empty means a temporary one, removed at the end")
	flags.StringVar(&cfg.Top, "top", ".", "top `folder` of the checkout")
	platformFlags(flags, &cfg)
	if err := parse(flags, args); err != nil {
		return err
	}
	if *dir == "" {
		temporary, err := os.MkdirTemp("", "release-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(temporary)
		*dir = temporary
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", *listen)
	if err != nil {
		return err
	}
	stop := startRegistry(l)
	defer stop()
	ready, err := publish(ctx, cfg, *dir, l.Addr().(*net.TCPAddr), *host)
	if err != nil {
		return err
	}
	if err := json.NewEncoder(stdout).Encode(ready); err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}

// startRegistry serves a registry in memory, and returns a function that stops it.
func startRegistry(l net.Listener) (stop func()) {
	server := &http.Server{Handler: registry.New(registry.Logger(log.New(io.Discard, "", 0))),
		ReadHeaderTimeout: headerTimeout}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			fmt.Fprintln(os.Stderr, "release: registry:", err)
		}
	}()
	return func() {
		server.Close()
		<-done
	}
}

// publish builds, pushes and verifies the release.
func publish(ctx context.Context, cfg build.Config, dir string, addr *net.TCPAddr, host string) (served, error) {
	if host == "" {
		host = addr.IP.String()
	}
	port := fmt.Sprint(addr.Port)
	local := oci.Registry{Name: net.JoinHostPort("127.0.0.1", port) + pathInRegistry, PlainHTTP: true}
	ready := served{Registry: net.JoinHostPort(host, port) + pathInRegistry, Local: local.Name,
		Folder: filepath.Join(dir, "release"), PublicKey: filepath.Join(dir, "cosign.pub")}
	ready.Chart = "oci://" + ready.Registry + "/" + build.ChartRepository
	key, err := cosign.Generate()
	if err != nil {
		return served{}, err
	}
	public, err := key.Public().PEM()
	if err != nil {
		return served{}, err
	}
	if err := os.WriteFile(ready.PublicKey, public, 0o644); err != nil {
		return served{}, err
	}
	cfg.Key, cfg.Registry, cfg.Out = &key, ready.Registry, ready.Folder
	if ready.Version, err = build.Run(ctx, cfg); err != nil {
		return served{}, err
	}
	if err := pushRelease(ctx, ready.Folder, local, os.Stderr); err != nil {
		return served{}, err
	}
	check := verify.Config{Key: key.Public(), Version: ready.Version, Builder: cfg.Builder, AllowDirty: true,
		Log: cfg.Log}
	return ready, verify.Repositories(ctx, check, func(name string) (oci.Source, error) {
		return oci.OpenRemote(local, name)
	})
}
