// Package certreload serves a TLS certificate from files and follows their changes, so that a
// renewed certificate needs no restart.
package certreload

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/signstash-proxy/signstash-proxy/pkg/internal/filewatch"
	"github.com/signstash-proxy/signstash-proxy/pkg/internal/secretfile"
)

// maxFileBytes bounds each file. A chain of ten certificates takes 20 KB.
const maxFileBytes = 1 << 20

// Config is what a Reloader needs.
type Config struct {
	CertFile, KeyFile string        // PEM; the chain begins with the server's own certificate
	Poll              time.Duration // 0 = filewatch.DefaultPoll
	Log               logr.Logger
	Registerer        prometheus.Registerer // nil = no metrics
}

// Reloader holds the last good pair of certificate and key. It is safe for concurrent use.
type Reloader struct {
	cfg                 Config
	reloads             *prometheus.CounterVec
	notBefore, notAfter prometheus.Gauge
	pair                *filewatch.LastGood[tls.Certificate]
}

// New reads both files. If they cannot be used it returns an error that names the file at fault.
func New(cfg Config) (*Reloader, error) {
	r := &Reloader{
		cfg: cfg,
		reloads: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "signstash_tls_reloads_total",
			Help: "Versions of the REST port's certificate and key that were read, by result: success or failure.",
		}, []string{"result"}),
		// Alerts compare the remaining lifetime with the whole lifetime, because some certificates live
		// for one day only.
		notBefore: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "signstash_tls_certificate_not_before_timestamp_seconds",
			Help: "Unix time from which the REST port's certificate in force is valid.",
		}),
		notAfter: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "signstash_tls_certificate_not_after_timestamp_seconds",
			Help: "Unix time at which the REST port's certificate in force expires.",
		}),
	}
	r.pair = filewatch.NewLastGood(r.read, r.decode)
	if err := r.register(); err != nil {
		return nil, fmt.Errorf("register metrics of the certificate: %w", err)
	}
	if _, err := r.reload(); err != nil {
		return nil, err
	}
	return r, nil
}

func (r *Reloader) register() (err error) {
	// Create the series at 0. Otherwise increase() misses the first event.
	r.reloads.WithLabelValues("success")
	r.reloads.WithLabelValues("failure")
	if r.cfg.Registerer == nil {
		return nil
	}
	for _, c := range []prometheus.Collector{r.reloads, r.notBefore, r.notAfter} {
		err = errors.Join(err, r.cfg.Registerer.Register(c))
	}
	return err
}

// TLSConfig returns a server's configuration that presents the certificate in force at each
// handshake. TLS 1.2 is the oldest version, because RFC 8996 forbids the versions before it.
func (r *Reloader) TLSConfig() *tls.Config {
	return &tls.Config{
		MinVersion:     tls.VersionTLS12,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return r.pair.Value(), nil },
	}
}

// NotAfter is the time at which the certificate in force expires.
func (r *Reloader) NotAfter() time.Time { return r.pair.Value().Leaf.NotAfter }

// Start reloads the files whenever they change, until ctx is done, and then returns nil. If
// certificate and key do not belong together, as in the middle of a renewal, the last good pair
// stays in force.
func (r *Reloader) Start(ctx context.Context) error {
	log := r.cfg.Log.WithValues("path", r.cfg.CertFile)
	watch := filewatch.Config{Paths: []string{r.cfg.CertFile, r.cfg.KeyFile}, Poll: r.cfg.Poll, Log: r.cfg.Log}
	return filewatch.Run(ctx, watch, func() {
		changed, err := r.reload()
		switch {
		case err != nil:
			log.Error(err, "could not use the new certificate; the last good one stays in use")
		case changed:
			log.Info("certificate reloaded", "notAfter", r.NotAfter())
		}
	})
}

// reload reads the files. Each version is counted once, and a refused one is returned once.
func (r *Reloader) reload() (changed bool, err error) {
	changed, err = r.pair.Reload()
	switch {
	case err != nil:
		r.reloads.WithLabelValues("failure").Inc()
		return false, fmt.Errorf("read certificate: %w", err)
	case changed:
		leaf := r.pair.Value().Leaf
		r.reloads.WithLabelValues("success").Inc()
		r.notBefore.Set(float64(leaf.NotBefore.Unix()))
		r.notAfter.Set(float64(leaf.NotAfter.Unix()))
	}
	return changed, nil
}

// separator stands between the contents of the two files. PEM never contains it.
var separator = []byte{0}

// read returns both files as one content, because they are one value.
func (r *Reloader) read() ([]byte, error) {
	certificate, certErr := secretfile.Bounded(r.cfg.CertFile, maxFileBytes)
	key, keyErr := secretfile.Bounded(r.cfg.KeyFile, maxFileBytes)
	if err := errors.Join(certErr, keyErr); err != nil {
		return nil, err
	}
	return bytes.Join([][]byte{certificate, key}, separator), nil
}

// decode makes a pair from what read returns. tls.X509KeyPair checks that the key belongs to the
// certificate.
func (r *Reloader) decode(content []byte) (*tls.Certificate, error) {
	certificate, key, _ := bytes.Cut(content, separator)
	pair, err := tls.X509KeyPair(certificate, key)
	if err != nil {
		return nil, fmt.Errorf("%s with key %s: %w", r.cfg.CertFile, r.cfg.KeyFile, err)
	}
	return &pair, nil
}
