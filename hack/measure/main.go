// Command measure prints figures about the source tree, so that two commits can be compared: sizes
// of functions and files, methods of types, long lines, imports and the size of the README. With
// -times it also measures how long `make demo` and `make test` take, cold and warm.
//
//	go run ./hack/measure                     the tree
//	go run ./hack/measure -base HEAD~1        another commit beside the tree
//	go run ./hack/measure -base HEAD~1 -times the same with times, which takes about an hour
//	go run ./hack/measure -dir ../other       another checkout
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
)

// options are the flags.
type options struct {
	dir, base string
	times     bool
}

func main() {
	var o options
	flag.StringVar(&o.dir, "dir", ".", "top `folder` of the checkout")
	flag.StringVar(&o.base, "base", "", "`commit` to compare with; it is checked out into a temporary folder")
	flag.BoolVar(&o.times, "times", false, "also measure make demo and make test, cold and warm")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, o, os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "measure:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options, stdout io.Writer) error {
	dir, err := filepath.Abs(o.dir)
	if err != nil {
		return err
	}
	checkouts := []checkout{{"now", dir}}
	if o.base != "" {
		base, remove, err := checkOut(ctx, dir, o.base)
		if err != nil {
			return err
		}
		defer remove()
		checkouts = []checkout{base, checkouts[0]}
	}
	trees := make([]*tree, len(checkouts))
	for i, c := range checkouts {
		if trees[i], err = read(c.dir); err != nil {
			return err
		}
	}
	if err := printTable(stdout, checkouts, treeRows(trees)); err != nil || !o.times {
		return err
	}
	times, err := measureTimes(ctx, dir, checkouts)
	if err != nil {
		return err
	}
	return printTable(stdout, checkouts, times)
}
