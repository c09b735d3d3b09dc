//go:build !linux

package durable

import "os"

// StartWriteback does nothing here: only Linux lets a program say so.
func StartWriteback(*os.File, int64, int64) {}
