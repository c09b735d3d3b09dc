package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/signstash-proxy/signstash-proxy/pkg/store"
)

const stateHelp = `signctl state check FOLDER

Checks the state folder of a stopped proxy. It reads the database, compares every document and every signature
with its stored digest, and checks that all parts fit together. It changes nothing.

FAULT names something that is wrong. LOST names a file with documents that the database does not know. The
proxy never removes such a file. Find out why the database does not know it, for example because an old
database was restored. Then remove or keep the file yourself. Files that are left over are not a fault,
because the next start removes them.

The exit code is 0 only if nothing is wrong.
`

// runState runs the subcommands of state. There is only one today.
func runState(ctx context.Context, args []string, s streams) error {
	rest, err := parse(newFlags("state check", stateHelp, s), args)
	if err != nil {
		return err
	}
	if len(rest) != 2 || rest[0] != "check" {
		return usageError{errors.New("want: state check FOLDER")}
	}
	r, err := store.Check(ctx, rest[1])
	if err != nil {
		return err
	}
	fmt.Fprintf(s.out,
		"%d operations with %d documents, %d bytes; %d not ended, %d calls without an end, %d files left over\n",
		r.Operations, r.Documents, r.Bytes, r.Unfinished, r.OpenCalls, r.Leftovers)
	for _, name := range r.Lost {
		fmt.Fprintln(s.out, "LOST", name)
	}
	for _, fault := range r.Faults {
		fmt.Fprintln(s.err, "FAULT", printable(fault))
	}
	if len(r.Faults) > 0 {
		return errReported
	}
	return nil
}
