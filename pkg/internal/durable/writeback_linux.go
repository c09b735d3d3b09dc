package durable

import (
	"os"
	"syscall"
)

// syncRangeWrite is SYNC_FILE_RANGE_WRITE of sync_file_range(2): it starts writing dirty pages and
// does not wait.
const syncRangeWrite = 2

// StartWriteback asks the kernel to start writing size bytes of f at offset at to disk, so that a
// later Sync has less to wait for and dirty pages do not pile up. It makes nothing durable. It
// returns no error, because Sync reports what could not be written.
func StartWriteback(f *os.File, at, size int64) {
	_ = syscall.SyncFileRange(int(f.Fd()), at, size, syncRangeWrite)
}
