package main

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// ownCPU is the CPU time of this process so far.
func ownCPU() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return 0
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// tick is the unit of /proc/PID/stat: USER_HZ is 100 on every Linux that Go runs on.
const tick = 10 * time.Millisecond

// processCPU is the CPU time of a process so far, proc(5): fields 14 and 15 of stat.
func processCPU(pid int) (time.Duration, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, fmt.Errorf("read CPU time of the proxy: %w", err)
	}
	_, rest, ok := strings.Cut(string(text), ") ")
	fields := strings.Fields(rest)
	if !ok || len(fields) < 13 {
		return 0, errNoCPU
	}
	var ticks int64
	for _, field := range fields[11:13] {
		n, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return 0, errNoCPU
		}
		ticks += n
	}
	return time.Duration(ticks) * tick, nil
}

// stateWatch looks at the size of the state folder again and again.
type stateWatch struct {
	done chan struct{}
	peak chan int64
}

// watchState begins to watch the folder dir.
func watchState(dir string) *stateWatch {
	w := &stateWatch{done: make(chan struct{}), peak: make(chan int64)}
	go func() {
		peak := folderSize(dir)
		every := time.NewTicker(200 * time.Millisecond) // a look at 5,000 files takes some milliseconds
		defer every.Stop()
		for {
			select {
			case <-every.C:
				peak = max(peak, folderSize(dir))
			case <-w.done:
				w.peak <- max(peak, folderSize(dir))
				return
			}
		}
	}()
	return w
}

// stop ends the watch and returns the most bytes that were seen.
func (w *stateWatch) stop() int64 {
	close(w.done)
	return <-w.peak
}

// folderSize is what the disk gave for all files below dir, in bytes. Files that vanish meanwhile
// do not count.
func folderSize(dir string) (size int64) {
	_ = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return nil
		}
		if info, err := d.Info(); err == nil {
			if stat, ok := info.Sys().(*syscall.Stat_t); ok {
				size += stat.Blocks * 512
			}
		}
		return nil
	})
	return size
}
