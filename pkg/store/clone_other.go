//go:build !linux

package store

import (
	"errors"
	"os"
	"syscall"
)

func cloneRange(*os.File, int64, syscall.Conn, int64, int64) error { return errors.ErrUnsupported }
