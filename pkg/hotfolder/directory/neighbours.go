package directory

import (
	"fmt"
	"slices"
	"sync"
)

// Neighbours are the folders of the client services that a process uses. Paths in the configuration
// are compared earlier, but a symbolic link or a mount can lead from the folders of one client
// service to those of another one. The zero value has none. It is safe for concurrent use.
type Neighbours struct {
	mu   sync.Mutex
	open map[*neighbour]bool
}

// inode identifies a file or a folder on this machine.
type inode struct{ dev, ino uint64 }

// neighbour is the folders of one client service.
type neighbour struct {
	client  string
	folders [3]place // input, output and backup
}

// place is a folder with the folders above it, up to the work folder.
type place struct {
	name  string
	chain []inode // the folder itself comes first
}

// add adds the folders of a client service. It returns an error if they are mixed up with those of
// another one. Client services may share an output and a backup folder.
func (n *Neighbours) add(added *neighbour) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	for other := range n.open {
		for i, a := range added.folders {
			for j, b := range other.folders {
				if (i == 0 || j == 0) && a.overlaps(b) {
					return fmt.Errorf("folder %s and folder %s of client service %s are the same folder or one is inside "+
						"the other, because of a link or a mount", a.name, b.name, other.client)
				}
			}
		}
	}
	if n.open == nil {
		n.open = make(map[*neighbour]bool)
	}
	n.open[added] = true
	return nil
}

func (n *Neighbours) remove(removed *neighbour) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.open, removed)
}

// overlaps reports whether two folders are the same, or one is inside the other.
func (p place) overlaps(other place) bool {
	return slices.Contains(p.chain, other.chain[0]) || slices.Contains(other.chain, p.chain[0])
}
