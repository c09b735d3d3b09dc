//go:build linux

package directory

import (
	"errors"
	"fmt"
)

// maxDepth is how many folders lie between a folder and the work folder at most.
const maxDepth = 100

func (d *dir) inode() (inode, error) {
	st, err := d.self()
	return inode{st.Dev, st.Ino}, err
}

// above returns the inode of a folder and those of the folders above it, up to the work folder. It
// sees where symbolic links lead, which the paths do not tell.
func (p *places) above(name string) (list []inode, err error) {
	top, err := p.open("/")
	if err != nil {
		return nil, err
	}
	defer top.close()
	end, err := top.inode()
	if err != nil {
		return nil, err
	}
	d, err := p.open(name)
	if err != nil {
		return nil, err
	}
	defer func() { d.close() }()
	for range maxDepth {
		at, err := d.inode()
		if err != nil {
			return nil, err
		}
		if at == end {
			return list, nil
		}
		list = append(list, at)
		up, err := d.sub("..")
		if err != nil {
			return nil, err
		}
		d.close()
		d = up
	}
	return nil, errors.New("the folder is too deep")
}

// distinct returns an error if two of the folders are the same, or if one is inside the other.
// Paths in the configuration are compared earlier, but symbolic links inside the work folder can
// lead to the same place.
func (p *places) distinct() (*neighbour, error) {
	n := &neighbour{client: p.cfg.Client}
	for i, name := range []string{p.cfg.Input, p.cfg.Output, p.cfg.Backup} {
		list, err := p.above(name)
		if err != nil {
			return nil, fmt.Errorf("folder %s: %w", name, err)
		}
		if len(list) == 0 {
			return nil, fmt.Errorf("folder %s is the work folder itself", name)
		}
		n.folders[i] = place{name: name, chain: list}
	}
	for i, a := range n.folders {
		for j, b := range n.folders {
			if i == j {
				continue
			}
			for depth, at := range b.chain {
				switch {
				case at != a.chain[0]:
				case depth == 0:
					return nil, fmt.Errorf("folders %s and %s are the same", a.name, b.name)
				default:
					return nil, fmt.Errorf("folder %s is inside folder %s", b.name, a.name)
				}
			}
		}
	}
	return n, nil
}
