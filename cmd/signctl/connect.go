package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/client"
)

// connection holds the flags of the commands that call the proxy: the address of the proxy and the
// credentials of the caller.
type connection struct {
	url, clientID, secretFile, ca string
	basic, follow                 bool
	patience                      time.Duration
	maxContent                    int64 // bytes of signed documents in one answer, at most; 0 = the client's default
}

func (c *connection) register(fs *flag.FlagSet, env func(string) string) {
	url := env("SIGNSTASH_URL")
	if url == "" {
		url = "http://localhost:8080"
	}
	fs.StringVar(&c.url, "url", url, "the proxy's `URL`; also SIGNSTASH_URL")
	fs.StringVar(&c.clientID, "client-id", env("SIGNSTASH_CLIENT_ID"),
		"`id` of the client service; also SIGNSTASH_CLIENT_ID")
	fs.StringVar(&c.secretFile, "secret-file", "",
		"`file` that contains the secret of the client service; without it, SIGNSTASH_SECRET is the secret")
	fs.StringVar(&c.ca, "ca", "", "PEM `file` of certificate authorities to trust in addition to the system's")
	fs.BoolVar(&c.basic, "basic", false, "send id and secret with each call (HTTP Basic) instead of a token")
	fs.BoolVar(&c.follow, "follow-redirects", false,
		"follow redirects of read calls to other hosts, and send the credentials there")
	fs.DurationVar(&c.patience, "patience", time.Minute, "how long to retry while the proxy is busy or unreachable")
}

// client makes the client. It calls notice for each call that is retried.
func (c *connection) client(env func(string) string, notice func(format string, args ...any)) (*client.Client, error) {
	cfg := client.Config{
		URL:             c.url,
		ClientID:        c.clientID,
		Basic:           c.basic,
		Patience:        c.patience,
		Token:           env("SIGNSTASH_TOKEN"),
		FollowRedirects: c.follow,
		MaxContent:      c.maxContent,
	}
	cfg.Retrying = func(err error, wait time.Duration) {
		notice("%v; retrying in %s", err, wait.Round(100*time.Millisecond))
	}
	if cfg.Token == "" {
		secret, err := c.secret(env)
		if err != nil {
			return nil, err
		}
		cfg.Secret = secret
	}
	httpClient, err := newHTTPClient(c.ca)
	if err != nil {
		return nil, err
	}
	cfg.HTTP = httpClient
	cl, err := client.New(cfg)
	if err != nil {
		return nil, usageError{fmt.Errorf("--url: %w", err)}
	}
	return cl, nil
}

// maxSecret bounds the size in bytes of a secret file.
const maxSecret = 4096

func (c *connection) secret(env func(string) string) (string, error) {
	if c.clientID == "" {
		return "", usageError{errors.New("no client service: give --client-id or SIGNSTASH_CLIENT_ID")}
	}
	if c.secretFile == "" {
		secret := env("SIGNSTASH_SECRET")
		if secret == "" {
			return "", usageError{errors.New("no secret: give --secret-file or SIGNSTASH_SECRET")}
		}
		return secret, nil
	}
	f, err := os.Open(c.secretFile)
	if err != nil {
		return "", usageError{fmt.Errorf("--secret-file: %w", err)}
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxSecret))
	if err != nil {
		return "", fmt.Errorf("read secret file: %w", err)
	}
	secret := strings.TrimRight(string(text), "\r\n")
	if secret == "" {
		return "", usageError{errors.New("--secret-file: the file is empty")}
	}
	return secret, nil
}

// answerTimeout is how long the proxy may take before its answer begins. It is far above the time
// that a synchronous request waits (60 s).
const answerTimeout = 10 * time.Minute

func newHTTPClient(caFile string) (*http.Client, error) {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.ResponseHeaderTimeout = answerTimeout
	if caFile == "" {
		return &http.Client{Transport: transport}, nil
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	if err := addTrusted(pool, caFile); err != nil {
		return nil, err
	}
	transport.TLSClientConfig = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	return &http.Client{Transport: transport}, nil
}

// addTrusted adds the certificates of a PEM file to the pool.
func addTrusted(pool *x509.CertPool, caFile string) error {
	pem, err := os.ReadFile(caFile)
	if err != nil {
		return usageError{fmt.Errorf("--ca: %w", err)}
	}
	if !pool.AppendCertsFromPEM(pem) {
		return usageError{fmt.Errorf("--ca: %s contains no PEM certificate", caFile)}
	}
	return nil
}
