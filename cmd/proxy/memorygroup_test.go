package main_test

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/signstash-proxy/signstash-proxy/hack/instance"
)

// TestMemoryLimitIsFollowed changes the memory limit of a proxy's cgroup, as a kubelet
// does when it resizes a pod.
func TestMemoryLimitIsFollowed(t *testing.T) {
	t.Parallel()
	const before, after = 300 << 20, 200 << 20
	group, err := newMemoryGroup(t, before)
	if err != nil {
		t.Skip(err)
	}
	binary, dir := filepath.Join(build(t), "proxy"), t.TempDir()
	if err := instance.WriteClients(dir, clients); err != nil {
		t.Fatal(err)
	}
	p := startInstance(t, instance.Options{
		Binary: group.contain(t, dir, binary), Work: dir, State: filepath.Join(dir, "state"), Log: io.Discard,
	})
	for _, limit := range []int64{before, after} {
		if err := group.limit(limit); err != nil {
			t.Fatal(err)
		}
		until(t, "the proxy follows the limit of its container", func() bool {
			m, err := metricsOf(p.Management)
			return err == nil && m["signstash_container_memory_limit_bytes"] == float64(limit) &&
				m["go_gc_gomemlimit_bytes"] == float64(limit/10*9)
		})
	}
}

// memoryGroup is a cgroup (version 1 or 2) with a memory limit.
type memoryGroup struct{ folder, file string }

// newMemoryGroup makes a cgroup with that memory limit and removes it after the test. It needs the
// rights to do so.
func newMemoryGroup(t *testing.T, bytes int64) (memoryGroup, error) {
	t.Helper()
	for _, version := range []struct{ folder, limit string }{
		{"/sys/fs/cgroup/memory", "memory.limit_in_bytes"}, {"/sys/fs/cgroup", "memory.max"},
	} {
		folder, err := os.MkdirTemp(version.folder, "signstash-test-")
		if err != nil {
			continue
		}
		t.Cleanup(func() { _ = os.Remove(folder) })
		g := memoryGroup{folder, filepath.Join(folder, version.limit)}
		if _, err := os.Stat(g.file); err == nil && g.limit(bytes) == nil {
			return g, nil
		}
	}
	return memoryGroup{}, errors.New("no cgroup with a memory limit can be made")
}

// limit sets the memory limit.
func (g memoryGroup) limit(bytes int64) error {
	return os.WriteFile(g.file, []byte(strconv.FormatInt(bytes, 10)), 0)
}

// contain writes a script into dir that runs the program in the group, and returns its path.
func (g memoryGroup) contain(t *testing.T, dir, program string) string {
	t.Helper()
	script := "#!/bin/sh\necho $$ > '" + filepath.Join(g.folder, "cgroup.procs") + "' && exec '" + program + "' \"$@\"\n"
	path := filepath.Join(dir, "contained")
	if err := os.WriteFile(path, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}
