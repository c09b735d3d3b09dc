package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/go-logr/logr"

	"github.com/signstash-proxy/signstash-proxy/pkg/affinity"
	"github.com/signstash-proxy/signstash-proxy/pkg/config"
	"github.com/signstash-proxy/signstash-proxy/pkg/credentials"
	"github.com/signstash-proxy/signstash-proxy/pkg/tokenkey"
)

// checkedError lists the problems that a check of the configuration found.
type checkedError struct{ problems []string }

// Error lists the problems, one after the other.
func (e *checkedError) Error() string {
	count := "1 problem"
	if len(e.problems) != 1 {
		count = fmt.Sprintf("%d problems", len(e.problems))
	}
	return fmt.Sprintf("the configuration is not valid: %s\n  %s", count,
		strings.ReplaceAll(strings.Join(e.problems, "\n"), "\n", "\n  "))
}

// checkConfig checks the configuration with the code that a start runs before it opens ports and
// the state folder. mistakes is the error of config.Load. The result is a *checkedError with all
// problems. A file whose setting has a mistake is not checked. Nothing is logged, no port is
// opened, no network is used, and the state folder is only read. In the hot folders a small file is
// written and removed.
func checkConfig(ctx context.Context, cfg config.Config, mistakes error, stdout io.Writer) error {
	c, err := newChecker(ctx, cfg, mistakes)
	if err != nil {
		return err
	}
	defer c.close()
	if c.readable() {
		c.run(ctx)
	}
	if len(c.problems) > 0 {
		return &checkedError{c.problems}
	}
	_, err = fmt.Fprintln(stdout, "the configuration is valid")
	return err
}

// checker checks the parts of a proxy that never starts.
type checker struct {
	proxy       *proxy
	stateFolder string // the real one; the proxy has scratch instead
	scratch     string // an empty folder for embedded keys
	mistakes    []string
	problems    []string
}

func newChecker(ctx context.Context, cfg config.Config, mistakes error) (*checker, error) {
	c := &checker{stateFolder: cfg.StateFolder}
	var invalid *config.InvalidError
	switch {
	case errors.As(mistakes, &invalid):
		c.mistakes, c.problems = invalid.Mistakes, slices.Clone(invalid.Mistakes)
	case mistakes != nil:
		return nil, mistakes
	}
	var err error
	if c.scratch, err = os.MkdirTemp("", "signstash-check-"); err != nil {
		return nil, fmt.Errorf("check configuration: %w", err)
	}
	cfg.StateFolder = c.scratch
	noEnv := func(string) string { return "" } // no traces
	c.proxy = &proxy{
		cfg: cfg, log: logr.Discard(), registry: newRegistry(), checkOnly: true,
		tracing: newTracing(ctx, logr.Discard(), cfg.InstanceName, noEnv),
	}
	return c, nil
}

func (c *checker) close() {
	if c.proxy.providers != nil {
		c.proxy.providers.close()
	}
	_ = os.RemoveAll(c.scratch) // it is in the system's temporary folder
}

// readable reports whether the settings could be read at all. Otherwise all of them have their
// defaults, and a check of the files would mislead.
func (c *checker) readable() bool {
	return !slices.ContainsFunc(c.mistakes, func(m string) bool { return strings.HasPrefix(m, "read --config") })
}

// run runs all checks.
func (c *checker) run(ctx context.Context) {
	p := c.proxy
	c.check(p.readFonts, "visible.fonts")
	c.check(p.readProfiles, "xades.profiles")
	c.check(p.readClients, "client.services.config", "work.folder")
	c.check(p.readCertificate, "server.ssl.")
	c.check(c.instances, "server.address", "server.port", "server.host.port", "affinity.", "instance.")
	c.check(c.tokenKey, "token.signing.key")
	c.check(c.clientProviders, "providers")
	c.check(func() error { return c.hotFolders(ctx) }, "hot.folder.", "work.folder", "outbound.")
	if !c.check(func() error { return c.calls() }, "outbound.", "rest.provider.proxy") {
		return // everything below needs the HTTP clients
	}
	c.check(c.providers, "provider", "signing.", "service.domain")
	c.check(c.formats, "timestamp", "revocation.")
	c.check(func() error {
		_, err := openRemoteTokens(p.cfg.Remote.Token, p.calls.token, p.log)
		return err
	}, "remote.token.")
}

// check runs one check and records its problems. It runs no check if one of the mistakes names one
// of these settings, and reports whether the check succeeded.
func (c *checker) check(run func() error, settings ...string) bool {
	for _, s := range settings {
		if slices.ContainsFunc(c.mistakes, func(m string) bool { return names(m, s) }) {
			return false
		}
	}
	err := run()
	c.add(err)
	return err == nil
}

// names reports whether a mistake is one of a setting. The mistake of an unknown name may also name
// the setting that was meant, but says nothing about it.
func names(mistake, setting string) bool {
	return strings.Contains(mistake, setting) && !strings.Contains(mistake, "unknown flag") &&
		!strings.Contains(mistake, "unknown setting")
}

// add records the problems that err joins, each as one.
func (c *checker) add(err error) {
	if err == nil {
		return
	}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, one := range joined.Unwrap() {
			c.add(one)
		}
		return
	}
	c.problems = append(c.problems, err.Error())
}

// instances checks the address of this instance, the authorities of the others, and the form of the
// endpoint file and the peers file.
func (c *checker) instances() error {
	p, cfg := c.proxy, c.proxy.cfg
	host, err := netip.ParseAddr(cfg.Server.Address)
	if err != nil {
		host = netip.IPv4Unspecified() // a name, which only DNS could resolve, or none
	}
	listen := netip.AddrPortFrom(host, uint16(cmp.Or(cfg.Server.Port, 1))) // port 0 becomes any port
	p.instances, err = openInstances(cfg, listen, cfg.Server.Certificate != "", p.log, p.registry)
	files := affinity.FilesConfig{
		EndpointFile: cfg.Affinity.EndpointFile, PeersFile: cfg.Affinity.PeersFile,
		Identity: affinity.NewIdentity(cfg.Affinity.InstanceUID),
		Guess:    affinity.Endpoint{Name: cfg.InstanceName, Ordinal: cfg.InstanceOrdinal}, Log: p.log,
	}
	return errors.Join(err, affinity.CheckFiles(files))
}

// calls makes the HTTP clients of all calls, which reads their proxy credentials and authorities.
func (c *checker) calls() (err error) {
	p := c.proxy
	p.calls, err = openCalls(p.cfg, p.tracing, p.log, p.registry)
	return err
}

// tokenKey reads the key that signs tokens. A key in the state folder may be missing, because the
// start makes it.
func (c *checker) tokenKey() error {
	if file := c.proxy.cfg.Server.TokenSigningKey; file != "" {
		_, err := tokenkey.Read(file)
		return err
	}
	_, err := tokenkey.Read(filepath.Join(c.stateFolder, tokenkey.FileName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// providers opens all providers, with embedded keys in the scratch folder.
func (c *checker) providers() error {
	if c.proxy.clients == nil { // the client file has a problem, which was reported
		return c.proxy.openProviders(&credentials.Config{})
	}
	return c.proxy.openCredentials()
}

// formats opens the signature formats with their timestamp authorities and revocation settings.
func (c *checker) formats() error {
	p := c.proxy
	f := &formats{cfg: p.cfg, log: p.log, calls: p.calls, fonts: p.fonts, profiles: p.profiles, credentials: p.credentials}
	if p.providers != nil {
		f.localCRL = p.providers.localCRL
	}
	return f.open()
}
