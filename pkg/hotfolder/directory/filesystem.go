//go:build linux

package directory

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// fileSystem is the kind of a file system.
type fileSystem struct {
	name   string
	remote bool // other machines may write to it, which inotify does not see
	free   int64
	nodes  int64 // free inodes; -1 = not limited
}

// kinds are the file systems that need polling, by their magic number, and the usual local ones.
var kinds = map[int64]fileSystem{
	unix.NFS_SUPER_MAGIC:       {name: "NFS", remote: true},
	unix.SMB_SUPER_MAGIC:       {name: "SMB", remote: true},
	unix.SMB2_SUPER_MAGIC:      {name: "SMB", remote: true},
	unix.CIFS_SUPER_MAGIC:      {name: "SMB", remote: true},
	unix.FUSE_SUPER_MAGIC:      {name: "FUSE", remote: true},
	unix.V9FS_MAGIC:            {name: "9P", remote: true},
	unix.CEPH_SUPER_MAGIC:      {name: "Ceph", remote: true},
	unix.AFS_SUPER_MAGIC:       {name: "AFS", remote: true},
	unix.CODA_SUPER_MAGIC:      {name: "Coda", remote: true},
	unix.OCFS2_SUPER_MAGIC:     {name: "OCFS2", remote: true},
	0x01161970:                 {name: "GFS2", remote: true},
	0x0bd00bd0:                 {name: "Lustre", remote: true},
	0x47504653:                 {name: "GPFS", remote: true},
	unix.EXT4_SUPER_MAGIC:      {name: "ext4"},
	unix.XFS_SUPER_MAGIC:       {name: "XFS"},
	unix.BTRFS_SUPER_MAGIC:     {name: "Btrfs"},
	unix.TMPFS_MAGIC:           {name: "tmpfs"},
	unix.OVERLAYFS_SUPER_MAGIC: {name: "overlay"},
}

// fileSystem returns the kind of file system that a folder is on.
func (p *places) fileSystem(folder string) (fileSystem, error) {
	d, err := p.open(folder)
	if err != nil {
		return fileSystem{}, err
	}
	defer d.close()
	var st unix.Statfs_t
	if err := again(func() error { return unix.Fstatfs(d.fd, &st) }); err != nil {
		return fileSystem{}, pathError("statfs", folder, err)
	}
	kind, ok := kinds[int64(st.Type)]
	if !ok {
		kind.name = fmt.Sprintf("0x%x", st.Type)
	}
	kind.free = int64(st.Bavail) * int64(st.Bsize)
	kind.nodes = int64(st.Ffree)
	if st.Files == 0 {
		kind.nodes = -1
	}
	return kind, nil
}
