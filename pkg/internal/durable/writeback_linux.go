package durable

import (
	"os"
	"syscall"
)

// syncRangeWrite is SYNC_FILE_RANGE_WRITE of sync_file_range(2): start writing dirty pages, wait
// for nothing.
const syncRangeWrite = 2

// StartWriteback asks the kernel to start writing a stretch of f to disk, so that a later Sync has
// less to wait for and dirty pages do not pile up. It makes nothing durable, and failing is no
// fault: Sync reports what could not be written.
func StartWriteback(f *os.File, at, size int64) {
	_ = syscall.SyncFileRange(int(f.Fd()), at, size, syncRangeWrite)
}
