package main_test

import (
	"fmt"
	"os"
	"os/exec"
	"sync"
	"testing"
)

// programs are built once in a run, by the first test that needs them.
var programs struct {
	once sync.Once
	dir  string
	err  error
}

func TestMain(m *testing.M) {
	code := m.Run()
	if programs.dir != "" {
		_ = os.RemoveAll(programs.dir) // a leftover is in the system's temporary folder
	}
	os.Exit(code)
}

// build returns the folder with the built programs proxy and signctl.
func build(t *testing.T) string {
	t.Helper()
	if testing.Short() {
		t.Skip("builds and starts programs")
	}
	programs.once.Do(func() { programs.dir, programs.err = buildPrograms() })
	if programs.err != nil {
		t.Fatal(programs.err)
	}
	return programs.dir
}

// buildPrograms builds with the flags of `make build`, so that both share the build cache.
func buildPrograms() (dir string, err error) {
	if dir, err = os.MkdirTemp("", "programs-"); err != nil {
		return "", err
	}
	cmd := exec.Command("go", "build", "-trimpath", "-o", dir, "./cmd/proxy", "./cmd/signctl")
	cmd.Dir = "../.."
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return dir, fmt.Errorf("build: %w\n%s", err, out)
	}
	return dir, nil
}
