package affinity

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/signstash-proxy/signstash-proxy/pkg/internal/filewatch"
	"github.com/signstash-proxy/signstash-proxy/pkg/internal/secretfile"
)

// Source is what an instance knows about itself and the other instances at this moment.
// Implementations are safe for concurrent use.
type Source interface {
	// Endpoint returns the address where clients reach this instance. While known is false, the
	// address is only the best guess.
	Endpoint() (e Endpoint, known bool)
	// Directory returns the other instances. The caller must not change it. While known is false, the
	// other instances are not known, so an operation that this instance does not hold may be held by
	// another.
	Directory() (d Directory, known bool)
}

// Fixed is the Source of an instance whose endpoint never changes and that has no peers.
type Fixed Endpoint

// Endpoint implements Source.
func (f Fixed) Endpoint() (Endpoint, bool) { return Endpoint(f), true }

// Directory implements Source.
func (f Fixed) Directory() (Directory, bool) { return Directory{}, true }

// FilesConfig is what NewFiles needs.
type FilesConfig struct {
	EndpointFile string    // holds this instance's Published once the controller has written it; empty = Guess is right
	PeersFile    string    // holds the Directory; empty = no peers
	Identity     *Identity // of this instance; an endpoint of another run is stale; nil = any run
	Guess        Endpoint  // what Resolve found
	Log          logr.Logger
	Registerer   prometheus.Registerer // nil = no metrics
}

// Files is the Source that reads mounted files. It refuses a version that is broken: the log and
// the metrics report it, and the last good version stays in force. A missing or empty file means
// that nobody has written it yet.
type Files struct {
	c         FilesConfig
	endpoint  *filewatch.LastGood[Endpoint]  // without a value until the endpoint is known
	directory *filewatch.LastGood[Directory] // without a value until the peers are known
	faults    *prometheus.CounterVec
}

// NewFiles reads the files as they are now. A missing or broken file is not an error, because it
// may become good later. The only error is that the metrics cannot be registered.
func NewFiles(c FilesConfig) (*Files, error) {
	f := &Files{c: c, faults: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "signstash_affinity_file_faults_total",
		Help: "Versions of the endpoint file and the peers file that were refused, by file.",
	}, []string{"file"})}
	f.endpoint = filewatch.NewLastGood(func() ([]byte, error) { return readMounted(c.EndpointFile) }, f.decodeEndpoint)
	f.directory = filewatch.NewLastGood(func() ([]byte, error) { return readMounted(c.PeersFile) }, f.decodeDirectory)
	for _, name := range []string{"endpoint", "peers"} {
		f.faults.WithLabelValues(name) // Create the series at 0. Otherwise increase() misses the first event.
	}
	if c.PeersFile == "" {
		f.directory.Set(&Directory{})
	}
	if c.EndpointFile == "" {
		f.endpoint.Set(&c.Guess)
	}
	if c.Registerer != nil {
		if err := f.register(c.Registerer); err != nil {
			return nil, fmt.Errorf("register affinity metrics: %w", err)
		}
	}
	f.look()
	return f, nil
}

func (f *Files) register(r prometheus.Registerer) error {
	errs := []error{r.Register(f.faults)}
	gauge := func(name, help string, value func() float64) {
		errs = append(errs, r.Register(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, value)))
	}
	gauge("signstash_peers", "Other instances whose address is known.", func() float64 { return float64(f.peers()) })
	gauge(
		"signstash_endpoint_known",
		"1 once this instance knows the address that its async answers name.",
		func() float64 {
			return oneIf(f.endpoint.Value() != nil)
		},
	)
	gauge(
		"signstash_endpoint_from_file",
		"1 where the address is read from a file that a controller writes, else 0.",
		func() float64 {
			return oneIf(f.c.EndpointFile != "")
		},
	)
	// The controller has a metric of the same name, which exists even when no instance runs.
	gauge(
		"signstash_instances_expected",
		"Desired number of instances, by the peers file; 0 if the file does not say.",
		func() float64 {
			d, _ := f.Directory()
			return float64(d.Expected)
		},
	)
	return errors.Join(errs...)
}

func oneIf(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}

func (f *Files) peers() (n int) {
	d, _ := f.Directory()
	for _, e := range d.Endpoints {
		if e.Ordinal != f.c.Guess.Ordinal {
			n++
		}
	}
	return n
}

// Endpoint implements Source.
func (f *Files) Endpoint() (Endpoint, bool) {
	e, known := f.c.Guess, false
	if published := f.endpoint.Value(); published != nil {
		e, known = *published, true
	}
	e.Name = f.name()
	return e, known
}

// name returns the name of this instance in the directory, because other instances believe only an
// answer that carries that name. Without an entry it is the host name.
func (f *Files) name() string {
	d, _ := f.Directory()
	own, ok := d.find(f.c.Guess.Ordinal)
	if !ok || !f.c.Identity.Is(own.Instance) {
		return f.c.Guess.Name
	}
	return own.Name
}

// Directory implements Source.
func (f *Files) Directory() (Directory, bool) {
	if d := f.directory.Value(); d != nil {
		return *d, true
	}
	return Directory{}, false
}

// Start reloads the files whenever they change, until ctx is done. It then returns nil.
func (f *Files) Start(ctx context.Context) error {
	var paths []string
	for _, p := range []string{f.c.EndpointFile, f.c.PeersFile} {
		if p != "" {
			paths = append(paths, p)
		}
	}
	if len(paths) == 0 {
		<-ctx.Done()
		return nil
	}
	return filewatch.Run(ctx, filewatch.Config{Paths: paths, Log: f.c.Log}, f.look)
}

// look reloads both files and logs their errors.
func (f *Files) look() {
	if f.c.EndpointFile != "" {
		_, err := f.endpoint.Reload()
		f.report("endpoint", f.c.EndpointFile, err, f.endpoint.Value() != nil)
	}
	if f.c.PeersFile != "" {
		_, err := f.directory.Reload()
		f.report("peers", f.c.PeersFile, err, f.directory.Value() != nil)
	}
}

// report logs and counts the error of one file. good says whether a version of it is in force.
func (f *Files) report(name, path string, err error, good bool) {
	if err == nil {
		return
	}
	f.faults.WithLabelValues(name).Inc()
	if good {
		f.c.Log.Error(err, "affinity file refused; the last good version stays in force", "path", path)
		return
	}
	f.c.Log.Error(err, "affinity file refused; no valid version was read yet", "path", path)
}

// readMounted returns the content of a mounted file. A missing file reads as an empty one.
func readMounted(path string) ([]byte, error) {
	data, err := secretfile.Bounded(path, maxFileBytes)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return data, err
}

// isEmpty reports whether nobody has written the file yet. It logs that while no version is in
// force.
func (f *Files) isEmpty(data []byte, path string, good bool) bool {
	if len(bytes.TrimSpace(data)) > 0 {
		return false
	}
	if !good {
		f.c.Log.Info("affinity file is missing or empty; waiting for it to be written", "path", path)
	}
	return true
}

// decodeEndpoint returns nil if the content names no endpoint of this run of the instance.
func (f *Files) decodeEndpoint(data []byte) (*Endpoint, error) {
	if f.isEmpty(data, f.c.EndpointFile, f.endpoint.Value() != nil) {
		return nil, nil
	}
	p, err := DecodePublished(data)
	if err != nil {
		return nil, err
	}
	if f.c.Identity.isStale(p.Instance) {
		f.c.Log.Info("the endpoint file belongs to an earlier run of this instance; waiting for a new version",
			"path", f.c.EndpointFile)
		return nil, nil
	}
	if p.Ordinal != f.c.Guess.Ordinal {
		return nil, fmt.Errorf("the file names ordinal %d, but this instance has ordinal %d", p.Ordinal, f.c.Guess.Ordinal)
	}
	e := p.endpoint()
	e.Name = f.c.Guess.Name
	f.c.Log.Info("endpoint published", "endpoint", e.HostPort())
	return &e, nil
}

// decodeDirectory returns nil if the content is empty.
func (f *Files) decodeDirectory(data []byte) (*Directory, error) {
	if f.isEmpty(data, f.c.PeersFile, f.directory.Value() != nil) {
		return nil, nil
	}
	d, err := DecodeDirectory(data)
	if err != nil {
		return nil, err
	}
	f.c.Log.Info("peers read", "expected", d.Expected, "known", len(d.Endpoints))
	return &d, nil
}
