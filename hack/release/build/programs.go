package build

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/signstash-proxy/signstash-proxy/hack/release/image"
)

// Folders of the programs, below the top.
var (
	productPrograms = []string{"cmd/controller", "cmd/proxy", "cmd/signctl"}
	trialPrograms   = []string{"hack/signingservice"}
	// clientPrograms are for people who use or operate a proxy elsewhere.
	clientPrograms = []string{"cmd/kubectl-signstash", "cmd/signctl"}
)

// ImagePlatforms are the platforms of the images.
var ImagePlatforms = []image.Platform{{OS: "linux", Arch: "amd64"}, {OS: "linux", Arch: "arm64"}}

// ClientPlatforms are further platforms for which there is an archive with clientPrograms only.
var ClientPlatforms = []image.Platform{
	{OS: "darwin", Arch: "amd64"}, {OS: "darwin", Arch: "arm64"}, {OS: "windows", Arch: "amd64"},
}

// settings are all settings of the environment on which the bytes of a program depend. They replace
// those of the caller.
func settings(goVersion string, p image.Platform) []string {
	return []string{
		"GOTOOLCHAIN=" + goVersion, "GOOS=" + p.OS, "GOARCH=" + p.Arch, "CGO_ENABLED=0", "GOFLAGS=-mod=readonly",
		"GOWORK=off", "GOAMD64=v1", "GOARM64=v8.0", "GOEXPERIMENT=", "GOFIPS140=off", "GODEBUG=", "GOENV=off",
	}
}

// kept are settings that `go env -w` may have made and that only say where modules come from.
var kept = []string{
	"GOPROXY", "GOSUMDB", "GONOSUMDB", "GOPRIVATE", "GONOPROXY", "GOINSECURE", "GOMODCACHE", "GOCACHE",
}

// compile builds programs for a platform into the folder dir. Paths, the state of the checkout and
// the time have no influence on the bytes.
func (s Source) compile(ctx context.Context, dir string, p image.Platform, programs []string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	args := []string{"build", "-trimpath", "-buildvcs=false",
		"-ldflags", "-s -w -buildid= -X main.version=" + s.Version, "-o", dir + string(filepath.Separator)}
	for _, program := range programs {
		args = append(args, "./"+program)
	}
	env, err := goEnvironment(ctx, s.Top)
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = s.Top
	cmd.Env = append(env, settings(s.Go, p)...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go build for %s: %w\n%s", p, err, out)
	}
	return nil
}

// goEnvironment returns the environment of the caller, with its settings of where modules come
// from.
func goEnvironment(ctx context.Context, dir string) ([]string, error) {
	cmd := exec.CommandContext(ctx, "go", append([]string{"env"}, kept...)...)
	cmd.Dir = dir
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go env: %w", err)
	}
	env := os.Environ()
	for i, value := range strings.Split(strings.TrimSuffix(string(out), "\n"), "\n") {
		env = append(env, kept[i]+"="+value)
	}
	return env, nil
}

// programFile returns the path of a built program.
func programFile(dir, program string, p image.Platform) string {
	name := filepath.Base(program)
	if p.OS == "windows" {
		name += ".exe"
	}
	return filepath.Join(dir, p.OS+"-"+p.Arch, name)
}

// compileAll builds all programs into folders below dir, named after the platforms.
func (c Config) compileAll(ctx context.Context, s Source, dir string) error {
	all := slices.Concat(productPrograms, trialPrograms, clientPrograms)
	slices.Sort(all)
	all = slices.Compact(all)
	for _, p := range c.Platforms {
		c.Log("build the programs for %s with %s on %s", p, s.Go, runtime.GOARCH)
		if err := s.compile(ctx, filepath.Join(dir, p.OS+"-"+p.Arch), p, all); err != nil {
			return err
		}
	}
	for _, p := range c.Clients {
		c.Log("build signctl and kubectl-signstash for %s", p)
		if err := s.compile(ctx, filepath.Join(dir, p.OS+"-"+p.Arch), p, clientPrograms); err != nil {
			return err
		}
	}
	return nil
}
