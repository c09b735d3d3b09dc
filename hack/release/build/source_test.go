package build

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestVersion derives versions from commits and tags.
func TestVersion(t *testing.T) {
	top := t.TempDir()
	t.Setenv("SOURCE_DATE_EPOCH", "")
	run := func(args ...string) {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), "git", append([]string{"-c", "user.name=test",
			"-c", "user.email=test@example.org", "-c", "commit.gpgsign=false"}, args...)...)
		cmd.Dir = top
		cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL="+os.DevNull,
			"GIT_AUTHOR_DATE=1767225600 +0000", "GIT_COMMITTER_DATE=1767225600 +0000")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("git %v: %v\n%s", args, err, out)
		}
	}
	want := func(want string) {
		t.Helper()
		s, err := ReadSource(t.Context(), top)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(want, "-") {
			want += s.Commit[:12]
		}
		if s.Version != want {
			t.Errorf("version %q, want %q", s.Version, want)
		}
		if err := CheckVersion(s.Version); err != nil {
			t.Error(err)
		}
	}
	if err := os.WriteFile(filepath.Join(top, "go.mod"), []byte("module m\n\ngo 1.26.8\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	run("init", "--quiet")
	run("add", "--all")
	run("commit", "--quiet", "--message", "First")
	want("0.0.0-20260101000000-")
	run("tag", "not-a-version")
	run("tag", "v1.2")
	want("0.0.0-20260101000000-")
	run("tag", "v1.2.3-rc.1")
	want("1.2.3-rc.1")
	run("tag", "v1.2.3")
	want("1.2.3")
	run("commit", "--quiet", "--allow-empty", "--message", "Second")
	want("1.2.4-0.20260101000000-")
	if err := os.WriteFile(filepath.Join(top, "new"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	run("tag", "v2.0.0")
	want("2.0.0-dirty")
}

// TestCheckVersion refuses versions that are no tags of images or no semantic versions.
func TestCheckVersion(t *testing.T) {
	for version, want := range map[string]bool{
		"1.2.3": true, "1.2.3-rc.1": true, "0.0.0-20260101000000-0123456789ab": true,
		"": false, "v1.2.3": false, "1.2": false, "latest": false, "1.2.3+build": false, "1.2.3/x": false,
	} {
		if err := CheckVersion(version); (err == nil) != want {
			t.Errorf("CheckVersion(%q) = %v, want valid = %v", version, err, want)
		}
	}
}
