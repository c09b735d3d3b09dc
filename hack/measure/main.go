// Command measure prints figures about the source tree, so that two commits can be compared: sizes
// of functions and files, methods of types, long lines, imports, and with -times also how long
// `make demo` and `make test` take.
//
//	go run ./hack/measure                  the tree
//	go run ./hack/measure -times           the tree, then make demo and make test with warm caches
//	go run ./hack/measure -dir ../other    another checkout
package main

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"time"
)

func main() {
	dir := flag.String("dir", ".", "top `folder` of the checkout")
	times := flag.Bool("times", false, "also run make demo and make test, and print how long they take")
	flag.Parse()
	if err := run(*dir, *times); err != nil {
		fmt.Fprintln(os.Stderr, "measure:", err)
		os.Exit(1)
	}
}

func run(dir string, times bool) error {
	t, err := read(dir)
	if err != nil {
		return err
	}
	t.print(os.Stdout)
	if !times {
		return nil
	}
	for _, target := range []string{"demo", "test"} {
		started := time.Now()
		c := exec.Command("make", target)
		c.Dir, c.Stdout, c.Stderr = dir, os.Stderr, os.Stderr
		if err := c.Run(); err != nil {
			return fmt.Errorf("make %s: %w", target, err)
		}
		fmt.Printf("make %-5s %s\n", target, time.Since(started).Round(time.Second))
	}
	return nil
}

// quantiles returns a text with the median, the 90 % and 99 % quantiles and the largest of sizes.
func quantiles(sizes []int) string {
	if len(sizes) == 0 {
		return "none"
	}
	slices.Sort(sizes)
	at := func(percent int) int { return sizes[min(len(sizes)*percent/100, len(sizes)-1)] }
	return fmt.Sprintf("median %d, 90 %% %d, 99 %% %d, largest %d (of %d)",
		at(50), at(90), at(99), sizes[len(sizes)-1], len(sizes))
}
