// Package certreload serves a TLS certificate from files and follows their changes, so that a
// renewed certificate needs no restart.
package certreload

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/signstash-proxy/signstash-proxy/pkg/internal/lastgood"
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
	pair                *lastgood.Value[*tls.Certificate]
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
	r.pair = lastgood.New(lastgood.Config[*tls.Certificate]{
		What: "certificate", Paths: []string{cfg.CertFile, cfg.KeyFile}, MaxBytes: maxFileBytes,
		Decode: r.decode, Observe: r.observe, Poll: cfg.Poll, Log: cfg.Log,
	})
	if err := r.register(); err != nil {
		return nil, fmt.Errorf("register metrics of the certificate: %w", err)
	}
	if _, err := r.pair.Load(); err != nil {
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
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return r.pair.Current(), nil },
	}
}

// NotAfter is the time at which the certificate in force expires.
func (r *Reloader) NotAfter() time.Time { return r.pair.Current().Leaf.NotAfter }

// Start reloads the files whenever they change, until ctx is done, and then returns nil. If
// certificate and key do not belong together, as in the middle of a renewal, the last good pair
// stays in force.
func (r *Reloader) Start(ctx context.Context) error {
	log := r.cfg.Log.WithValues("path", r.cfg.CertFile)
	return r.pair.Run(ctx, func(pair *tls.Certificate, err error) {
		if err != nil {
			log.Error(err, "certificate refused; the last good one stays in force")
			return
		}
		log.Info("certificate reloaded", "notAfter", pair.Leaf.NotAfter)
	})
}

// decode makes a pair from the contents of the two files. tls.X509KeyPair checks that the key
// belongs to the certificate.
func (r *Reloader) decode(contents [][]byte) (*tls.Certificate, error) {
	pair, err := tls.X509KeyPair(contents[0], contents[1])
	if err != nil {
		return nil, fmt.Errorf("%s with key %s: %w", r.cfg.CertFile, r.cfg.KeyFile, err)
	}
	return &pair, nil
}

func (r *Reloader) observe(pair *tls.Certificate, err error) {
	if err != nil {
		r.reloads.WithLabelValues("failure").Inc()
		return
	}
	r.reloads.WithLabelValues("success").Inc()
	r.notBefore.Set(float64(pair.Leaf.NotBefore.Unix()))
	r.notAfter.Set(float64(pair.Leaf.NotAfter.Unix()))
}
