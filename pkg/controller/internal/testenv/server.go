package testenv

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
)

const (
	// assetsVariable names the environment variable with the folder of etcd and kube-apiserver.
	assetsVariable = "KUBEBUILDER_ASSETS"
	// startTimeout is long. Both programs start within seconds, but take longer on a machine that
	// compiles at the same time.
	startTimeout = 2 * time.Minute
)

// Server is the API server of one test binary. The zero value is ready to use.
type Server struct {
	GatewayAPI bool // whether the server knows the Gateway API from its start

	env    *envtest.Environment
	config *rest.Config
	reason string // why the server does not run, for the message of a skipped test
}

// Run starts the server, runs the tests of m, stops the server and returns the exit code. Use it in
// TestMain: os.Exit(server.Run(m)). If KUBEBUILDER_ASSETS is not set, no server starts, and the
// tests that need the server are skipped, or fail if CI=true.
func (s *Server) Run(m *testing.M) int {
	ctrl.SetLogger(logr.Discard())
	if os.Getenv(assetsVariable) == "" {
		s.reason = assetsVariable + ` is not set; try: export ` + assetsVariable + `="$(hack/envtest/assets)"`
		return m.Run()
	}
	env := &envtest.Environment{ControlPlaneStartTimeout: startTimeout, ControlPlaneStopTimeout: startTimeout}
	if s.GatewayAPI {
		files, err := gatewayCRDs()
		if err != nil {
			fmt.Fprintf(os.Stderr, "start API server: %v\n", err)
			return 1
		}
		env.CRDDirectoryPaths = files
	}
	config, err := env.Start()
	if err != nil {
		fmt.Fprintf(os.Stderr, "start API server: %v\n", err)
		return 1
	}
	config.QPS = -1 // tests need no rate limit
	s.env, s.config = env, config
	code := m.Run()
	if err := env.Stop(); err != nil {
		fmt.Fprintf(os.Stderr, "stop API server: %v\n", err)
		return 1
	}
	return code
}

// Config returns a client configuration with administrator rights. If no server runs, the test is
// skipped, or fails if CI=true.
func (s *Server) Config(t *testing.T) *rest.Config {
	t.Helper()
	switch {
	case s.config != nil:
		return rest.CopyConfig(s.config)
	case os.Getenv("CI") == "true":
		t.Fatal(s.reason)
	}
	t.Skip(s.reason)
	return nil
}

// Client returns an uncached client of the server. It knows every kind of the standard API
// and of the Gateway API.
func (s *Server) Client(t *testing.T) client.WithWatch {
	t.Helper()
	scheme, err := Scheme()
	if err != nil {
		t.Fatal(err)
	}
	c, err := client.NewWithWatch(s.Config(t), client.Options{Scheme: scheme})
	if err != nil {
		t.Fatalf("make client: %v", err)
	}
	return c
}

// Kubeconfig creates a user without any rights and returns the path of a kubeconfig file. A program
// that reads this file calls the server as that user.
func (s *Server) Kubeconfig(t *testing.T, user string) string {
	t.Helper()
	s.Config(t)
	u, err := s.env.AddUser(envtest.User{Name: user}, nil)
	if err != nil {
		t.Fatalf("add user: %v", err)
	}
	content, err := u.KubeConfig()
	if err != nil {
		t.Fatalf("make kubeconfig: %v", err)
	}
	file := filepath.Join(t.TempDir(), "kubeconfig")
	if err := os.WriteFile(file, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// Namespace creates a namespace for the test and returns its name. The namespace stays until the
// server stops. Deleting it would never finish, because envtest runs no namespace controller.
func (s *Server) Namespace(t *testing.T) string {
	t.Helper()
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "test-"}}
	if err := s.Client(t).Create(t.Context(), ns); err != nil {
		t.Fatalf("create namespace: %v", err)
	}
	return ns.Name
}
