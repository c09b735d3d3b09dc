package controller_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/signstash-proxy/signstash-proxy/pkg/controller/internal/testenv"
)

var (
	server testenv.Server

	// binary is built by the first test that needs it.
	binary struct {
		once sync.Once
		dir  string
		err  error
	}
)

func TestMain(m *testing.M) {
	code := server.Run(m)
	if binary.dir != "" {
		_ = os.RemoveAll(binary.dir) // a leftover is in the system's temporary folder
	}
	os.Exit(code)
}

// Each wait for the program is bounded, because a test that hangs prints nothing until the whole
// run ends.
const (
	// buildTimeout is shorter than the ten minutes that a run of tests has by default. If the cache is
	// cold, the program's libraries are compiled again, because its build flags differ from those of
	// the tests.
	buildTimeout = 8 * time.Minute
	// answerTimeout is longer than a probe takes on a machine that compiles at the same time.
	answerTimeout = 10 * time.Second
	// endTimeout is longer than the time in which the controller stops its own parts.
	endTimeout = time.Minute
)

// build returns the path of the program, compiled like `make build` does it.
func build(t *testing.T) string {
	t.Helper()
	binary.once.Do(func() {
		if binary.dir, binary.err = os.MkdirTemp("", "controller-"); binary.err != nil {
			return
		}
		ctx, cancel := context.WithTimeout(context.Background(), buildTimeout)
		defer cancel()
		cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", binary.dir, "./cmd/controller")
		cmd.WaitDelay = time.Second // compilers that outlive it keep its output open
		cmd.Dir = "../.."
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			binary.err = fmt.Errorf("build: %w\n%s", errors.Join(err, ctx.Err()), out)
		}
	})
	if binary.err != nil {
		t.Fatal(binary.err)
	}
	return filepath.Join(binary.dir, "controller")
}

// program is a running controller.
type program struct {
	t       *testing.T
	cmd     *exec.Cmd
	metrics string // host:port
	health  string
	ended   chan error
	log     *logged
}

// logged collects the log of a program.
type logged struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// start starts the program for a release named proxy. It has exactly the rights that the markers in
// the sources grant.
func start(t *testing.T, namespace string) *program {
	t.Helper()
	user := "controller-" + namespace
	return startWith(t, namespace, user, server.Kubeconfig(t, user))
}

// startWith starts the program with a kubeconfig of a user.
func startWith(t *testing.T, namespace, user, kubeconfig string, args ...string) *program {
	t.Helper()
	grant(t, namespace, user, "release")
	p := &program{t: t, metrics: freeAddress(t), health: freeAddress(t), ended: make(chan error, 1), log: &logged{}}
	p.cmd = exec.Command(build(t), "--namespace="+namespace, "--statefulset=proxy", "--log.level=debug",
		"--metrics-address="+p.metrics, "--health-address="+p.health)
	p.cmd.Args = append(p.cmd.Args, args...)
	p.cmd.Env = append(os.Environ(), "KUBECONFIG="+kubeconfig)
	p.cmd.Stdout, p.cmd.Stderr = p.log, p.log
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { p.ended <- p.cmd.Wait() }()
	t.Cleanup(func() {
		p.stop()
		if t.Failed() {
			t.Logf("the controller wrote:\n%s", p.log)
		}
		if text := p.log.String(); strings.Contains(text, "forbidden") {
			t.Errorf("the role in the markers does not suffice:\n%s", text)
		}
	})
	return p
}

// stop ends the program with the signal that Kubernetes sends.
func (p *program) stop() {
	p.t.Helper()
	if p.ended == nil {
		return
	}
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // it may have ended already
	// A program that does not end prints the stacks of its goroutines.
	stuck := time.AfterFunc(endTimeout, func() { _ = p.cmd.Process.Signal(syscall.SIGQUIT) })
	defer stuck.Stop()
	if err := <-p.ended; err != nil {
		p.t.Errorf("the controller ended with %v", err)
	}
	p.ended = nil
}

// get returns the body of the answer to a GET request to the program. Any status but 200 is an
// error.
func (p *program) get(address, path string) (string, error) {
	response, err := (&http.Client{Timeout: answerTimeout}).Get("http://" + address + path)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s answers %s: %s", path, response.Status, body)
	}
	return string(body), err
}

// freeAddress returns an address at which nobody listens at the moment.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// grant gives a user the rights of the markers in a namespace. part is the namespace in the
// markers, which says when the rights are needed.
func grant(t *testing.T, namespace, user, part string) {
	t.Helper()
	c := server.Client(t)
	meta := metav1.ObjectMeta{Namespace: namespace, Name: user + "-" + part}
	role := &rbacv1.Role{ObjectMeta: meta, Rules: rules(t, part)}
	binding := &rbacv1.RoleBinding{
		ObjectMeta: meta,
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: meta.Name},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: user}},
	}
	for _, err := range []error{c.Create(t.Context(), role), c.Create(t.Context(), binding)} {
		if err != nil && !strings.Contains(err.Error(), "already exists") { // a second program of the same namespace
			t.Fatal(err)
		}
	}
}

// roleFile is the Role that `make generate` writes from the markers in the sources.
const roleFile = "../../config/rbac/role.yaml"

// rules returns a part of the rules of roleFile.
func rules(t *testing.T, part string) []rbacv1.PolicyRule {
	t.Helper()
	content, err := os.ReadFile(roleFile)
	if err != nil {
		t.Fatal(err)
	}
	for document := range strings.SplitSeq(string(content), "\n---\n") {
		var role rbacv1.Role
		if err := yaml.UnmarshalStrict([]byte(document), &role); err == nil && role.Kind == "Role" &&
			role.Namespace == part {
			return role.Rules
		}
	}
	t.Fatalf("%s has no Role %s", roleFile, part)
	return nil
}
