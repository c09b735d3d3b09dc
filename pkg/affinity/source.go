package affinity

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"sync/atomic"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/signstash-proxy/signstash-proxy/pkg/internal/filewatch"
	"github.com/signstash-proxy/signstash-proxy/pkg/internal/secretfile"
)

// Source is what an instance knows of itself and of the others at this moment. Implementations are
// safe for concurrent use.
type Source interface {
	// Endpoint is where clients reach this instance. Until that is known, known is false and the
	// endpoint the best guess.
	Endpoint() (e Endpoint, known bool)
	// Directory is who else is there; it is not to be changed. While known is false nobody can say:
	// what is not here may be elsewhere.
	Directory() (d Directory, known bool)
}

// Fixed is the Source of an instance whose endpoint never changes and that has no peers.
type Fixed Endpoint

// Endpoint implements Source.
func (f Fixed) Endpoint() (Endpoint, bool) { return Endpoint(f), true }

// Directory implements Source.
func (f Fixed) Directory() (Directory, bool) { return Directory{}, true }

// FilesConfig is what Files are made of.
type FilesConfig struct {
	EndpointFile string   // holds this instance's Published once the controller has set it; empty = Guess is right
	PeersFile    string   // holds the Directory; empty = no peers
	Instance     string   // identity of this run (the pod's UID): an endpoint of another one is stale; empty = any will do
	Guess        Endpoint // what Resolve found
	Log          logr.Logger
	Registerer   prometheus.Registerer // nil = no metrics
}

// Files is the Source that mounted files make. A version that cannot be read is refused: error in
// the log and in the metrics, and the last good one stays. A file that is missing or empty is one
// that nobody has written yet.
type Files struct {
	c         FilesConfig
	endpoint  atomic.Pointer[Endpoint]  // nil until known
	directory atomic.Pointer[Directory] // nil until known
	faults    *prometheus.CounterVec
	seen      map[string]string // by path: what the last look found; used by NewFiles, then by Start alone
}

// NewFiles reads the files as they are now. Nothing that they hold keeps it from being made.
func NewFiles(c FilesConfig) (*Files, error) {
	f := &Files{c: c, seen: make(map[string]string), faults: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "signstash_affinity_file_faults_total",
		Help: "Versions of the endpoint file and the peers file that were refused, by file.",
	}, []string{"file"})}
	for _, name := range []string{"endpoint", "peers"} {
		f.faults.WithLabelValues(name) // the first event of a series that was not there before it is no increase
	}
	if c.PeersFile == "" {
		f.directory.Store(&Directory{})
	}
	if c.EndpointFile == "" {
		f.endpoint.Store(&c.Guess)
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
			return oneIf(f.endpoint.Load() != nil)
		},
	)
	gauge(
		"signstash_endpoint_from_file",
		"1 where the address is read from a file that a controller writes, else 0.",
		func() float64 {
			return oneIf(f.c.EndpointFile != "")
		},
	)
	// The controller has one of the same name: it is there when no instance is.
	gauge(
		"signstash_instances_expected",
		"Instances that there shall be, by the peers file; 0 where it does not say.",
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
	if published := f.endpoint.Load(); published != nil {
		e, known = *published, true
	}
	e.Name = f.name()
	return e, known
}

// name is what the others call this instance, who believe an answer that carries it; without peers
// it is the host name.
func (f *Files) name() string {
	d, _ := f.Directory()
	own, ok := d.find(f.c.Guess.Ordinal)
	if !ok || f.c.Instance != "" && own.Instance != "" && own.Instance != f.c.Instance {
		return f.c.Guess.Name
	}
	return own.Name
}

// Directory implements Source.
func (f *Files) Directory() (Directory, bool) {
	if d := f.directory.Load(); d != nil {
		return *d, true
	}
	return Directory{}, false
}

// Start reads the files again whenever they change, until ctx is done, and then returns nil.
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

func (f *Files) look() {
	f.read("endpoint", f.c.EndpointFile, f.useEndpoint, func() bool { return f.endpoint.Load() != nil })
	f.read("peers", f.c.PeersFile, f.useDirectory, func() bool { return f.directory.Load() != nil })
}

// read hands the content of a file to use if it is another than at the last look. good says whether
// a version is in force.
func (f *Files) read(name, path string, use func([]byte) error, good func() bool) {
	if path == "" {
		return
	}
	data, err := secretfile.Bounded(path, maxFileBytes)
	if errors.Is(err, fs.ErrNotExist) {
		data, err = nil, nil
	}
	found := string(data)
	if err != nil {
		found = "cannot be read: " + err.Error()
	}
	if last, looked := f.seen[path]; looked && last == found {
		return
	}
	f.seen[path] = found
	empty := len(bytes.TrimSpace(data)) == 0
	if err == nil && !empty {
		err = use(data)
	}
	switch {
	case err != nil && good():
		f.faults.WithLabelValues(name).Inc()
		f.c.Log.Error(err, "affinity file refused; the last good version stays in force", "path", path)
	case err != nil:
		f.faults.WithLabelValues(name).Inc()
		f.c.Log.Error(err, "affinity file refused; there is no good version yet", "path", path)
	case empty && !good():
		f.c.Log.Info("affinity file is missing or empty; waiting for it to be written", "path", path)
	}
}

func (f *Files) useEndpoint(data []byte) error {
	p, err := DecodePublished(data)
	if err != nil {
		return err
	}
	if f.c.Instance != "" && p.Instance != f.c.Instance {
		f.c.Log.Info(
			"the endpoint file is of an earlier run of this instance; waiting for a new one",
			"path",
			f.c.EndpointFile,
		)
		return nil
	}
	if p.Ordinal != f.c.Guess.Ordinal {
		return fmt.Errorf("it is of ordinal %d, and this instance is %d", p.Ordinal, f.c.Guess.Ordinal)
	}
	e := p.endpoint()
	e.Name = f.c.Guess.Name
	f.endpoint.Store(&e)
	f.c.Log.Info("endpoint published", "endpoint", e.HostPort())
	return nil
}

func (f *Files) useDirectory(data []byte) error {
	d, err := DecodeDirectory(data)
	if err != nil {
		return err
	}
	f.directory.Store(&d)
	f.c.Log.Info("peers read", "expected", d.Expected, "known", len(d.Endpoints))
	return nil
}
