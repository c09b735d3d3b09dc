// Package durable writes files and folders so that they still exist, complete, after a power cut.
//
// It is the only package that does so, and everything that must survive uses it. A rename is atomic
// but not durable, and a new name is lost with the folder that holds it, so each function syncs
// both. These are the intended system calls, in their order:
//
//	WriteFile   openat(folder/.name.RANDOM.tmp, O_CREAT|O_EXCL) write… fsync close
//	            renameat(tmp, name) open(folder) fsync close
//	MkdirAll    for each missing folder from the top: mkdirat open(parent) fsync close
//	Rename      renameat(old, new) open(parent of new) fsync close open(parent of old) fsync close
//	RemoveAll   unlinkat… open(parent) fsync close
//	SyncDir     open(folder) fsync close
//	SyncFile    open(file) fsync close
//
// The folder that gains a name is synced before the one that loses it. So after a power cut a file
// may have both names, but never none. The order holds on file systems that honour fsync on folders
// (ext4, xfs, btrfs, overlayfs over these). A temporary file that a crash leaves behind ends in
// ".tmp". The owner of the folder may remove it.
//
// After a failed fsync the kernel may have dropped the data, so nothing here retries an fsync. The
// error goes to the caller.
package durable
