package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// targets are the make targets whose times are measured, with their arguments. Results of tests
// never come from the cache.
var targets = [][]string{{"demo"}, {"test", "TESTFLAGS=-p 3 -timeout 30m -count=1"}}

// measureTimes runs each target twice in each checkout. The first run is cold: the caches of the Go
// command are empty, so that it downloads all modules and compiles everything. The second run is
// warm: it uses what the first one has built. The API server and helm for the tests are prepared
// before, with the scripts in dir, and this time does not count.
func measureTimes(ctx context.Context, dir string, checkouts []checkout) ([]row, error) {
	tools, err := testTools(ctx, dir)
	if err != nil {
		return nil, err
	}
	var rows []row
	for _, target := range targets {
		cold := row{name: "make " + target[0] + ", cold"}
		warm := row{name: "make " + target[0] + ", warm"}
		for _, c := range checkouts {
			both, err := coldAndWarm(ctx, c, target, tools)
			if err != nil {
				return nil, err
			}
			cold.values = append(cold.values, both[0].Round(time.Second).String())
			warm.values = append(warm.values, both[1].Round(time.Second).String())
		}
		rows = append(rows, cold, warm)
	}
	return rows, nil
}

// testTools returns environment variables that name the API server and helm for the tests.
func testTools(ctx context.Context, dir string) ([]string, error) {
	var env []string
	for _, tool := range []struct{ variable, script string }{{"KUBEBUILDER_ASSETS", "assets"}, {"HELM", "helm"}} {
		path, err := output(exec.CommandContext(ctx, filepath.Join(dir, "hack", "envtest", tool.script)))
		if err != nil {
			return nil, err
		}
		env = append(env, tool.variable+"="+path)
	}
	return env, nil
}

// coldAndWarm runs a target twice with caches of its own, which are empty at first.
func coldAndWarm(ctx context.Context, c checkout, target, env []string) (took [2]time.Duration, err error) {
	caches, err := os.MkdirTemp("", "measure-cache-")
	if err != nil {
		return took, err
	}
	defer os.RemoveAll(caches)
	env = append(os.Environ(), env...)
	env = append(env,
		"GOCACHE="+filepath.Join(caches, "build"),
		"GOMODCACHE="+filepath.Join(caches, "modules"),
		"GOFLAGS="+os.Getenv("GOFLAGS")+" -modcacherw", // so that the folder can be removed
	)
	for i := range took {
		command := exec.CommandContext(ctx, "make", target...)
		command.Dir, command.Env, command.Stdout, command.Stderr = c.dir, env, os.Stderr, os.Stderr
		started := time.Now()
		if err := command.Run(); err != nil {
			return took, fmt.Errorf("make %s in %s: %w", target[0], c.name, err)
		}
		took[i] = time.Since(started)
	}
	return took, nil
}
