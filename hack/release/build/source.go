package build

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/module"
	"golang.org/x/mod/semver"
)

// Source is the checkout that is released.
type Source struct {
	Top     string
	Commit  string
	Dirty   bool      // there are changes that are not in the commit
	At      time.Time // of the commit, or SOURCE_DATE_EPOCH
	Version string    // without a leading "v"
	Go      string    // version of the toolchain, such as "go1.26.8"
}

// moduleFiles are the files that pin the modules of programs and of this tool.
var moduleFiles = []string{"go.mod", "go.sum", "hack/release/go.mod", "hack/release/go.sum"}

// ReadSource reads what git and go.mod say about the checkout in the folder top.
func ReadSource(ctx context.Context, top string) (Source, error) {
	s := Source{Top: top}
	var err error
	if s.Commit, err = git(ctx, top, "rev-parse", "HEAD"); err != nil {
		return Source{}, err
	}
	changes, err := git(ctx, top, "status", "--porcelain")
	if err != nil {
		return Source{}, err
	}
	s.Dirty = changes != ""
	if s.At, err = sourceTime(ctx, top); err != nil {
		return Source{}, err
	}
	if s.Version, err = version(ctx, s); err != nil {
		return Source{}, err
	}
	s.Go, err = toolchain(filepath.Join(top, "go.mod"))
	return s, err
}

// unchanged fails if somebody committed or changed something since the checkout was read, because
// nobody knows then what was built.
func (s Source) unchanged(ctx context.Context) error {
	now, err := ReadSource(ctx, s.Top)
	if err == nil && (now.Commit != s.Commit || now.Dirty != s.Dirty) {
		err = errors.New("the checkout changed while it was built")
	}
	return err
}

// sourceTime returns the time that all files of the release have.
func sourceTime(ctx context.Context, top string) (time.Time, error) {
	text := os.Getenv("SOURCE_DATE_EPOCH")
	if text == "" {
		var err error
		if text, err = git(ctx, top, "show", "--no-patch", "--format=%ct", "HEAD"); err != nil {
			return time.Time{}, err
		}
	}
	seconds, err := strconv.ParseInt(text, 10, 64)
	if err != nil || seconds < 0 {
		return time.Time{}, fmt.Errorf("SOURCE_DATE_EPOCH is %q, want seconds since 1970", text)
	}
	return time.Unix(seconds, 0).UTC(), nil
}

// version returns the version of the release: that of the tag vX.Y.Z of the commit. Without one it
// is the pseudo-version that Go would give the commit.
func version(ctx context.Context, s Source) (string, error) {
	v, err := highestTag(ctx, s.Top, "--points-at")
	if err != nil {
		return "", err
	}
	if v == "" {
		older, err := highestTag(ctx, s.Top, "--merged")
		if err != nil {
			return "", err
		}
		v = module.PseudoVersion("", older, s.At, s.Commit[:12])
	}
	if s.Dirty {
		v += separator(v) + "dirty"
	}
	return strings.TrimPrefix(v, "v"), nil
}

// highestTag returns the highest version among the tags of the commit (--points-at), or of the
// commit and those before it (--merged). It returns "" if no tag exists.
func highestTag(ctx context.Context, top, which string) (string, error) {
	tags, err := git(ctx, top, "tag", "--list", "v*", which, "HEAD")
	if err != nil {
		return "", err
	}
	highest := ""
	for _, tag := range strings.Fields(tags) {
		if semver.Canonical(tag) == tag && semver.Compare(tag, highest) > 0 {
			highest = tag
		}
	}
	return highest, nil
}

// separator returns what precedes a further part of a pre-release version.
func separator(version string) string {
	if semver.Prerelease(version) == "" {
		return "-"
	}
	return "."
}

// noTag matches what no tag of an image may hold. A version becomes a tag.
var noTag = regexp.MustCompile(`[^A-Za-z0-9_.-]`)

// CheckVersion refuses a version that is no semantic version or that cannot be the tag of an image.
func CheckVersion(version string) error {
	if !semver.IsValid("v"+version) || semver.Canonical("v"+version) != "v"+version {
		return fmt.Errorf("%q is not a semantic version such as 1.2.3", version)
	}
	if bad := noTag.FindString(version); bad != "" || len(version) > 100 {
		return fmt.Errorf("version %q cannot be the tag of an image", version)
	}
	return nil
}

// toolchain returns the version of Go that go.mod names. The release is built with this one,
// because another version would give other bytes.
func toolchain(path string) (string, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	file, err := modfile.Parse(path, text, nil)
	switch {
	case err != nil:
		return "", err
	case file.Toolchain != nil:
		return file.Toolchain.Name, nil
	case file.Go != nil:
		return "go" + file.Go.Version, nil
	}
	return "", fmt.Errorf("%s names no version of Go", path)
}

// sums returns the SHA-256 of the files that pin modules, by path.
func (s Source) sums() (map[string]string, error) {
	found := map[string]string{}
	for _, name := range moduleFiles {
		content, err := os.ReadFile(filepath.Join(s.Top, name))
		if errors.Is(err, os.ErrNotExist) {
			continue // a module without dependencies has no go.sum
		}
		if err != nil {
			return nil, err
		}
		sum := sha256.Sum256(content)
		found[name] = hex.EncodeToString(sum[:])
	}
	return found, nil
}

func git(ctx context.Context, dir string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "git", args...)
	cmd.Dir = dir
	out, err := cmd.Output()
	var failed *exec.ExitError
	if errors.As(err, &failed) {
		return "", fmt.Errorf("git %s: %w: %s", args[0], err, strings.TrimSpace(string(failed.Stderr)))
	}
	return strings.TrimSpace(string(out)), err
}
