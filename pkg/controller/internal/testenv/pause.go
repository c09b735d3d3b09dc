package testenv

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// Pause stops the process of the API server, as a frozen machine does: connections stay open and
// nothing answers. resume lets it go on. It also goes on when the test ends. No other test of the
// binary may run meanwhile. The test is skipped on systems without /proc.
func (s *Server) Pause(t *testing.T) (resume func()) {
	t.Helper()
	s.Config(t)
	pid, err := child("kube-apiserver")
	if err != nil {
		t.Skipf("find the API server: %v", err)
	}
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Fatalf("pause the API server: %v", err)
	}
	resume = sync.OnceFunc(func() {
		if err := syscall.Kill(pid, syscall.SIGCONT); err != nil {
			t.Errorf("resume the API server: %v", err)
		}
	})
	t.Cleanup(resume)
	return resume
}

// child returns the process id of the only child of this process with that name.
func child(name string) (int, error) {
	files, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return 0, err
	}
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			continue // it has ended
		}
		// pid (comm) state ppid …; the kernel cuts the name to 15 bytes (proc_pid_stat(5)).
		pid, rest, _ := strings.Cut(string(content), " (")
		comm, rest, _ := strings.Cut(rest, ") ")
		fields := strings.Fields(rest)
		if len(fields) > 1 && strings.HasPrefix(name, comm) && fields[1] == strconv.Itoa(os.Getpid()) {
			return strconv.Atoi(pid)
		}
	}
	return 0, fmt.Errorf("this process has no child %s", name)
}
