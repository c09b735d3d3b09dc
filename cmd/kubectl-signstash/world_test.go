package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/google/go-cmp/cmp"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
)

// update makes the tests write the golden files.
var update = flag.Bool("update", false, "write the golden files")

// server is the API server of the tests. It is nil if KUBEBUILDER_ASSETS is not set.
var server *envtest.Environment

func TestMain(m *testing.M) { os.Exit(runTests(m)) }

func runTests(m *testing.M) int {
	ctrl.SetLogger(logr.Discard())
	if os.Getenv("KUBEBUILDER_ASSETS") == "" {
		return m.Run()
	}
	// Both programs start within seconds, but take longer on a machine that compiles at the same time.
	const patience = 2 * time.Minute
	server = &envtest.Environment{ControlPlaneStartTimeout: patience, ControlPlaneStopTimeout: patience}
	_, err := server.Start()
	if err != nil {
		fmt.Fprintf(os.Stderr, "start API server: %v\n", err)
		return 1
	}
	code := m.Run()
	if err := server.Stop(); err != nil {
		fmt.Fprintf(os.Stderr, "stop API server: %v\n", err)
		return 1
	}
	return code
}

// now is the time of all tests.
var now = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

// world is a namespace with a release whose kubelet is a stand-in.
type world struct {
	t          *testing.T
	api        kubernetes.Interface
	namespace  string
	kubeconfig string // of an administrator
	kubelet    *kubelet
}

// newWorld makes an empty namespace and a node. If no server runs, the test is skipped, or fails if
// CI=true.
func newWorld(t *testing.T) *world {
	t.Helper()
	const reason = `KUBEBUILDER_ASSETS is not set; try: export KUBEBUILDER_ASSETS="$(hack/envtest/assets)"`
	if server == nil && os.Getenv("CI") == "true" {
		t.Fatal(reason)
	}
	if server == nil {
		t.Skip(reason)
	}
	api, err := kubernetes.NewForConfig(server.Config)
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, api: api, kubelet: startKubelet(t)}
	w.kubeconfig = w.user("admin", "system:masters")
	ns := must(api.CoreV1().Namespaces().Create(t.Context(),
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "test-"}}, metav1.CreateOptions{}))(t)
	w.namespace = ns.Name
	node := must(api.CoreV1().Nodes().Create(t.Context(),
		&corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: ns.Name}}, metav1.CreateOptions{}))(t)
	node.Status.Addresses = []corev1.NodeAddress{{Type: corev1.NodeInternalIP, Address: "127.0.0.1"}}
	node.Status.DaemonEndpoints.KubeletEndpoint.Port = int32(w.kubelet.port)
	must(api.CoreV1().Nodes().UpdateStatus(t.Context(), node, metav1.UpdateOptions{}))(t)
	return w
}

// must fails the test if err is not nil.
func must[T any](v T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// user makes a user and returns the path of its kubeconfig file.
func (w *world) user(name string, groups ...string) string {
	w.t.Helper()
	u := must(server.AddUser(envtest.User{Name: name, Groups: groups}, nil))(w.t)
	content := must(u.KubeConfig())(w.t)
	file := filepath.Join(w.t.TempDir(), "kubeconfig")
	if err := os.WriteFile(file, content, 0o600); err != nil {
		w.t.Fatal(err)
	}
	return file
}

// untilAllowed waits until the API server knows that a user has a right. It learns of new roles a
// moment later.
func (w *world) untilAllowed(user, group, resource, verb string) {
	w.t.Helper()
	config := must(clientcmd.BuildConfigFromFlags("", user))(w.t)
	api := must(kubernetes.NewForConfig(config))(w.t)
	name, sub, _ := strings.Cut(resource, "/")
	review := &authorizationv1.SelfSubjectAccessReview{Spec: authorizationv1.SelfSubjectAccessReviewSpec{
		ResourceAttributes: &authorizationv1.ResourceAttributes{
			Namespace: w.namespace, Group: group, Resource: name, Subresource: sub, Verb: verb,
		},
	}}
	for range 10_000 {
		got := must(api.AuthorizationV1().SelfSubjectAccessReviews().Create(w.t.Context(), review,
			metav1.CreateOptions{}))(w.t)
		if got.Status.Allowed {
			return
		}
	}
	w.t.Fatalf("the role does not give the right to %s %s", verb, resource)
}

// run runs a command as administrator and returns its output. The name of the namespace in it is
// replaced by NAMESPACE.
func (w *world) run(args ...string) (stdout, stderr string, code int) {
	w.t.Helper()
	return w.runAs(w.kubeconfig, args...)
}

func (w *world) runAs(kubeconfig string, args ...string) (stdout, stderr string, code int) {
	w.t.Helper()
	var out, errs bytes.Buffer
	args = append(args, "--kubeconfig", kubeconfig, "--namespace", w.namespace)
	code = run(w.t.Context(), args, streams{out: &out, err: &errs, now: func() time.Time { return now }})
	clean := func(b bytes.Buffer) string { return strings.ReplaceAll(b.String(), w.namespace, "NAMESPACE") }
	return clean(out), clean(errs), code
}

// golden compares a text with a file in testdata. With -update it writes the file.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := errors.Join(os.MkdirAll("testdata", 0o755), os.WriteFile(path, []byte(got), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v; write it with -update", err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", name, diff)
	}
}
