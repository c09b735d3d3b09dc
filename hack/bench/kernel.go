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

// ownCPU returns the CPU time of this process so far.
func ownCPU() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return 0
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// tick is the unit of times in /proc/PID/stat. USER_HZ is 100 on every Linux on which Go runs.
const tick = 10 * time.Millisecond

// processCPU returns the CPU time of a process so far: fields 14 and 15 of stat, see proc(5).
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

// stateWatch measures the size of the state folder at regular intervals.
type stateWatch struct {
	done chan struct{}
	peak chan int64
}

// watchState starts to watch the folder dir. The caller must call stop.
func watchState(dir string) *stateWatch {
	w := &stateWatch{done: make(chan struct{}), peak: make(chan int64)}
	go func() {
		peak := folderSize(dir)
		every := time.NewTicker(200 * time.Millisecond) // measuring 5,000 files takes some milliseconds
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

// stop ends the watch and returns the largest size in bytes.
func (w *stateWatch) stop() int64 {
	close(w.done)
	return <-w.peak
}

// folderSize returns the disk space of all files below dir, in bytes. Files that disappear
// meanwhile do not count.
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
