package main

import (
	"context"
	"errors"
	"io"
	"log"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-containerregistry/pkg/registry"

	"github.com/signstash-proxy/signstash-proxy/hack/release/build"
	"github.com/signstash-proxy/signstash-proxy/hack/release/cosign"
	"github.com/signstash-proxy/signstash-proxy/hack/release/oci"
	"github.com/signstash-proxy/signstash-proxy/hack/release/verify"
)

// program is the source of every program in the small checkout.
const program = `package main

var version = "devel"

func main() { println(version) }
`

// checkout makes a small checkout in a temporary folder: the real chart and Dockerfiles, and
// programs that only print their version. Its commit, and so its version, is the same each time.
func checkout(t *testing.T) string {
	t.Helper()
	top := t.TempDir()
	real := filepath.Join("..", "..")
	for _, name := range []string{"Dockerfile", "hack/signingservice/Dockerfile", "LICENSE", "charts/signstash-proxy"} {
		copyTree(t, filepath.Join(real, name), filepath.Join(top, name))
	}
	write(t, filepath.Join(top, "go.mod"), "module example.org/small\n\n"+goLine(t, filepath.Join(real, "go.mod")))
	for _, folder := range []string{"cmd/proxy", "cmd/controller", "cmd/signctl", "cmd/kubectl-signstash",
		"hack/signingservice"} {
		write(t, filepath.Join(top, folder, "main.go"), program)
	}
	git(t, top, "init", "--quiet", "--initial-branch=main")
	commit(t, top, "First")
	return top
}

// goLine returns the line of a go.mod that names the version of Go.
func goLine(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "go ") {
			return line
		}
	}
	t.Fatalf("%s names no version of Go", file)
	return ""
}

func copyTree(t *testing.T, from, to string) {
	t.Helper()
	info, err := os.Stat(from)
	if err != nil {
		t.Fatal(err)
	}
	if info.IsDir() {
		if err := os.CopyFS(to, os.DirFS(from)); err != nil {
			t.Fatal(err)
		}
		return
	}
	text, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	write(t, to, string(text))
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// commit commits everything, at a fixed time.
func commit(t *testing.T, top, subject string) {
	t.Helper()
	git(t, top, "add", "--all")
	git(t, top, "-c", "user.name=test", "-c", "user.email=test@example.org", "-c", "commit.gpgsign=false",
		"commit", "--quiet", "--message", subject)
}

func git(t *testing.T, dir string, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "git", args...)
	cmd.Dir = dir
	const at = "1767225600 +0000" // 2026-01-01
	cmd.Env = append(os.Environ(), "GIT_AUTHOR_DATE="+at, "GIT_COMMITTER_DATE="+at, "GIT_CONFIG_GLOBAL="+os.DevNull)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// newKey returns a new key.
func newKey(t *testing.T) cosign.PrivateKey {
	t.Helper()
	key, err := cosign.Generate()
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func quiet(string, ...any) {}

// small is a signed release of the small checkout. All tests share it and do not change it.
type small struct {
	dir, version string
	key          cosign.PrivateKey
}

var (
	buildSmall sync.Once
	theSmall   small
	smallDir   string
)

func TestMain(m *testing.M) {
	code := m.Run()
	if smallDir != "" {
		os.RemoveAll(smallDir)
	}
	os.Exit(code)
}

// smallRelease returns the shared release.
func smallRelease(t *testing.T) small {
	t.Helper()
	buildSmall.Do(func() {
		var err error
		if smallDir, err = os.MkdirTemp("", "release-test-"); err != nil {
			t.Fatal(err)
		}
		s := small{dir: filepath.Join(smallDir, "release"), key: newKey(t)}
		s.version = buildRelease(t, checkoutTagged(t, "v1.2.3"), s.dir, s.key)
		theSmall = s
	})
	if theSmall.version == "" {
		t.Fatal("the release could not be built; another test says why")
	}
	return theSmall
}

// checkoutTagged returns a small checkout whose commit has a tag.
func checkoutTagged(t *testing.T, tag string) string {
	t.Helper()
	top := checkout(t)
	git(t, top, "tag", tag)
	return top
}

// buildRelease builds a signed release and returns its version.
func buildRelease(t *testing.T, top, out string, key cosign.PrivateKey) string {
	t.Helper()
	version, err := build.Run(t.Context(), build.Config{Top: top, Out: out, Key: &key, Builder: builder,
		SourceURI: "https://example.org/small", Log: quiet})
	if err != nil {
		t.Fatal(err)
	}
	return version
}

const builder = "https://builder.example.org/1"

// copyOf returns a copy of the shared release, which the test may change.
func (s small) copyOf(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "release")
	copyTree(t, s.dir, dir)
	return dir
}

// config returns what a user expects of the release.
func (s small) config() verify.Config {
	return verify.Config{Key: s.key.Public(), Version: s.version, Builder: builder, Log: quiet}
}

// newRegistry starts a registry on loopback and returns it.
func newRegistry(t *testing.T) oci.Registry {
	t.Helper()
	server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	t.Cleanup(server.Close)
	return oci.Registry{Name: strings.TrimPrefix(server.URL, "http://") + "/signing", PlainHTTP: true}
}

// push copies the release in the folder dir to the registry.
func push(t *testing.T, dir string, r oci.Registry) {
	t.Helper()
	if err := pushAll(t.Context(), dir, r); err != nil {
		t.Fatal(err)
	}
}

func pushAll(ctx context.Context, dir string, r oci.Registry) error {
	var faults error
	for _, repository := range []string{build.ProxyRepository, build.TrialRepository, build.ChartRepository} {
		_, err := oci.Push(ctx, filepath.Join(dir, build.LayoutFolder, filepath.FromSlash(repository)), r, repository)
		faults = errors.Join(faults, err)
	}
	return faults
}

// verifyIn verifies the release in the registry.
func verifyIn(ctx context.Context, r oci.Registry, cfg verify.Config) error {
	return verify.Repositories(ctx, cfg, func(name string) (oci.Source, error) { return oci.OpenRemote(r, name) })
}
