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
	// assetsVariable names the folder that holds etcd and kube-apiserver.
	assetsVariable = "KUBEBUILDER_ASSETS"
	// startTimeout is generous: both programs start within seconds, but on a machine that compiles
	// beside them they take longer.
	startTimeout = 2 * time.Minute
)

// Server is the API server of one test binary. The zero value is ready for Run.
type Server struct {
	env    *envtest.Environment
	config *rest.Config
	reason string // why there is none
}

// Run starts the server, runs m's tests and stops it; for TestMain: os.Exit(server.Run(m)). Where
// KUBEBUILDER_ASSETS is not set there is no server: the tests that ask for it are skipped, or fail
// where CI=true.
func (s *Server) Run(m *testing.M) int {
	ctrl.SetLogger(logr.Discard())
	if os.Getenv(assetsVariable) == "" {
		s.reason = assetsVariable + ` is not set; try: export ` + assetsVariable + `="$(hack/envtest/assets)"`
		return m.Run()
	}
	env := &envtest.Environment{ControlPlaneStartTimeout: startTimeout, ControlPlaneStopTimeout: startTimeout}
	config, err := env.Start()
	if err != nil {
		fmt.Fprintf(os.Stderr, "start API server: %v\n", err)
		return 1
	}
	config.QPS = -1 // tests need no brake
	s.env, s.config = env, config
	code := m.Run()
	if err := env.Stop(); err != nil {
		fmt.Fprintf(os.Stderr, "stop API server: %v\n", err)
		return 1
	}
	return code
}

// Config returns how to reach the server as its administrator. Without one the test is skipped, or
// fails where CI=true.
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

// Client returns an uncached client of the server, with every kind of the standard API.
func (s *Server) Client(t *testing.T) client.WithWatch {
	t.Helper()
	c, err := client.NewWithWatch(s.Config(t), client.Options{})
	if err != nil {
		t.Fatalf("make client: %v", err)
	}
	return c
}

// Kubeconfig returns a file for programs that are to reach the server as a user of that name, who
// may do nothing yet.
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

// Namespace makes a namespace of the test's own and returns its name. It is left behind: nothing
// here could empty it.
func (s *Server) Namespace(t *testing.T) string {
	t.Helper()
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "test-"}}
	if err := s.Client(t).Create(t.Context(), ns); err != nil {
		t.Fatalf("create namespace: %v", err)
	}
	return ns.Name
}
