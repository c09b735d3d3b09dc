// Package certreload serves a TLS certificate from files and follows their changes, so that a
// renewed certificate needs no restart.
package certreload

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/signstash-proxy/signstash-proxy/pkg/internal/filewatch"
	"github.com/signstash-proxy/signstash-proxy/pkg/internal/secretfile"
)

// maxFileBytes bounds each file: a chain of ten certificates takes 20 KB.
const maxFileBytes = 1 << 20

// Config is what a Reloader needs.
type Config struct {
	CertFile, KeyFile string        // PEM; the chain begins with the server's own certificate
	Poll              time.Duration // 0 = filewatch.DefaultPoll
	Log               logr.Logger
	Registerer        prometheus.Registerer // nil = no metrics
}

// Reloader holds the last good pair of certificate and key. Safe for concurrent use.
type Reloader struct {
	config              Config
	reloads             *prometheus.CounterVec
	notBefore, notAfter prometheus.Gauge
	current             atomic.Pointer[tls.Certificate]
	// seen is what the last look found; equal findings are no-ops. Used by New, then by Start alone.
	seen finding
}

// finding tells one look at the files from the next.
type finding struct {
	digest [sha256.Size]byte
	fault  string
}

// New reads both files, or fails with an error that names the one at fault.
func New(c Config) (*Reloader, error) {
	r := &Reloader{
		config: c,
		reloads: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "signstash_tls_reloads_total",
			Help: "Versions of the REST port's certificate and key that were read, by result: success or failure.",
		}, []string{"result"}),
		// With it an alert can go by the part of its life that a certificate has left: some live for a
		// day.
		notBefore: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "signstash_tls_certificate_not_before_timestamp_seconds",
			Help: "Unix time from which the REST port's certificate in force is valid.",
		}),
		notAfter: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "signstash_tls_certificate_not_after_timestamp_seconds",
			Help: "Unix time at which the REST port's certificate in force expires.",
		}),
	}
	r.reloads.WithLabelValues("success")
	r.reloads.WithLabelValues("failure")
	if c.Registerer != nil {
		if err := errors.Join(
			c.Registerer.Register(r.reloads),
			c.Registerer.Register(r.notBefore),
			c.Registerer.Register(r.notAfter),
		); err != nil {
			return nil, fmt.Errorf("register metrics of the certificate: %w", err)
		}
	}
	if _, err := r.reload(); err != nil {
		return nil, err
	}
	return r, nil
}

// TLSConfig returns a server's configuration that presents the certificate in force at each
// handshake. TLS 1.2 is the oldest version: RFC 8996 forbids those before it.
func (r *Reloader) TLSConfig() *tls.Config {
	return &tls.Config{
		MinVersion:     tls.VersionTLS12,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return r.current.Load(), nil },
	}
}

// NotAfter is the end of the certificate in use.
func (r *Reloader) NotAfter() time.Time { return r.current.Load().Leaf.NotAfter }

// Start reloads the files whenever they change, until ctx is done, and then returns nil. Files that
// do not fit each other, as in the middle of a renewal, leave the last good pair in force.
func (r *Reloader) Start(ctx context.Context) error {
	paths := []string{r.config.CertFile, r.config.KeyFile}
	return filewatch.Run(ctx, filewatch.Config{Paths: paths, Poll: r.config.Poll, Log: r.config.Log}, func() {
		changed, err := r.reload()
		switch {
		case err != nil:
			r.config.Log.Error(err, "certificate refused; the last good one stays in force", "path", r.config.CertFile)
		case changed:
			r.config.Log.Info("certificate reloaded", "path", r.config.CertFile, "notAfter", r.current.Load().Leaf.NotAfter)
		}
	})
}

// reload brings the files' content into force if it is another than at the last look. An error is
// returned once for each finding.
func (r *Reloader) reload() (changed bool, err error) {
	pair, found, err := r.read()
	if found == r.seen {
		return false, nil
	}
	r.seen = found
	if err != nil {
		r.reloads.WithLabelValues("failure").Inc()
		return false, err
	}
	r.current.Store(pair)
	r.reloads.WithLabelValues("success").Inc()
	r.notBefore.Set(float64(pair.Leaf.NotBefore.Unix()))
	r.notAfter.Set(float64(pair.Leaf.NotAfter.Unix()))
	return true, nil
}

// read returns the pair that lies in the files now. tls.X509KeyPair checks that the key is the
// certificate's.
func (r *Reloader) read() (*tls.Certificate, finding, error) {
	cert, certErr := secretfile.Bounded(r.config.CertFile, maxFileBytes)
	key, keyErr := secretfile.Bounded(r.config.KeyFile, maxFileBytes)
	if err := errors.Join(certErr, keyErr); err != nil {
		err = fmt.Errorf("read certificate: %w", err)
		return nil, finding{fault: err.Error()}, err
	}
	h := sha256.New()
	for _, data := range [][]byte{cert, key} {
		digest := sha256.Sum256(data)
		h.Write(digest[:])
	}
	found := finding{digest: [sha256.Size]byte(h.Sum(nil))}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return nil, found, fmt.Errorf("read certificate %s with key %s: %w", r.config.CertFile, r.config.KeyFile, err)
	}
	return &pair, found, nil
}
