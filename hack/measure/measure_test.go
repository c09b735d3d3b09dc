package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestBase compares a tree with an earlier commit of its repository. The temporary checkout of that
// commit must be removed afterwards.
func TestBase(t *testing.T) {
	dir := t.TempDir()
	git := func(args ...string) string {
		t.Helper()
		names := []string{"-C", dir, "-c", "user.name=n", "-c", "user.email=n@example.org", "-c", "commit.gpgsign=false"}
		out, err := output(exec.Command("git", append(names, args...)...))
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	write := func(name, text string) {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	git("init", "--quiet")
	write("README.md", "12345")
	write("cmd/a/main.go", "package main\n\ntype T struct{}\n"+strings.Repeat("\nfunc (T) M() {}\n", 13))
	write("pkg/b/b.go", "package b\n")
	write("hack/c/c_test.go", "package c\n")
	git("add", ".")
	git("commit", "--quiet", "-m", "one")
	write("README.md", "1234")
	write("cmd/a/main.go", "package main\n\ntype T struct{}\n\nfunc (T) M() {}\n")

	var out strings.Builder
	if err := run(t.Context(), options{dir: dir, base: "HEAD"}, &out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`(?m)^ +HEAD +now$`,
		`(?m)^functions, lines: number +13 +1$`,
		`(?m)^files, lines: 100 % +29 +5$`,
		`(?m)^README.md, bytes +5 +4$`,
		`(?m)^methods of cmd/a.T +13 +1$`,
	} {
		if !regexp.MustCompile(want).MatchString(out.String()) {
			t.Errorf("no line matches %s in\n%s", want, out.String())
		}
	}
	if list := git("worktree", "list"); strings.Contains(list, "\n") {
		t.Errorf("checkouts after the run:\n%s", list)
	}
	if err := run(t.Context(), options{dir: dir, base: "no-such-commit"}, &out); err == nil {
		t.Error("run with an unknown commit = nil, want an error")
	}
}

// TestTimes checks that the first run of a target has empty caches, that the second one has those
// of the first, and that both get the test tools.
func TestTimes(t *testing.T) {
	// The variables of a make that runs this test must not reach the makes that are measured.
	t.Setenv("MAKEFLAGS", "")
	t.Setenv("TESTFLAGS", "")
	dir := t.TempDir()
	const recipe = "\n\t@mkdir -p $$GOCACHE && echo $@ $(TESTFLAGS) $$HELM $$(ls $$GOCACHE) >> runs\n" +
		"\t@touch $$GOCACHE/built\n"
	for name, text := range map[string]string{
		"Makefile":            "demo test:" + recipe,
		"hack/envtest/assets": "#!/bin/sh\necho assets\n",
		"hack/envtest/helm":   "#!/bin/sh\necho helm\n",
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	rows, err := measureTimes(t.Context(), dir, []checkout{{"now", dir}})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, r := range rows {
		names = append(names, r.name)
	}
	const wantNames = "make demo, cold; make demo, warm; make test, cold; make test, warm"
	if got := strings.Join(names, "; "); got != wantNames {
		t.Errorf("rows are %s, want %s", got, wantNames)
	}
	runs, err := os.ReadFile(filepath.Join(dir, "runs"))
	const want = "demo helm\ndemo helm built\n" +
		"test -p 3 -timeout 30m -count=1 helm\ntest -p 3 -timeout 30m -count=1 helm built\n"
	if err != nil || string(runs) != want {
		t.Errorf("runs are %q, %v, want %q", runs, err, want)
	}
}
