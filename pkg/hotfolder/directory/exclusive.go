//go:build linux

package directory

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// exclusive locks the folder of this instance in the input folder, until the file is closed or the
// process ends. Two processes with one ordinal would work on the same claims. It returns nil
// without an error on file systems that have no locks.
func (p *places) exclusive() (*os.File, error) {
	if _, err := (owners{p}).renew(); err != nil {
		return nil, err
	}
	d, err := p.openOwn(p.cfg.Input, 0, itoa(p.cfg.Ordinal))
	if err != nil {
		return nil, err
	}
	defer d.close()
	f, err := d.open(aliveFile, unix.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	switch err := again(func() error { return unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) }); {
	case errors.Is(err, unix.EWOULDBLOCK):
		_ = f.Close()
		return nil, fmt.Errorf("folder %s: another process uses it as instance %d; give each instance its own ordinal",
			p.cfg.Input, p.cfg.Ordinal)
	case err != nil:
		_ = f.Close()
		return nil, nil
	}
	return f, nil
}
