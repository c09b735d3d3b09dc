package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/signstash-proxy/signstash-proxy/pkg/store"
)

const stateHelp = `signctl state check FOLDER

Examines the state folder of a proxy that is stopped: the database, every document against the digest it came with, every signature
against the digest it was stored with, and whether all of it fits together. It changes nothing, and reads everything. What it calls left over
is not a fault: the next start tidies up. LOST names a file with documents that the database does not know. The proxy never
removes such a file: look why the database does not know it (was an old one restored?), and then remove or keep it yourself.

Exit code 0 only if nothing is wrong.
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
	fmt.Fprintf(
		s.out,
		"%d operations with %d documents, %d bytes; %d not ended, %d calls without an end, %d files left over\n",
		r.Operations,
		r.Documents,
		r.Bytes,
		r.Unfinished,
		r.OpenCalls,
		r.Leftovers,
	)
	for _, name := range r.Lost {
		fmt.Fprintln(s.out, "LOST", name)
	}
	for _, fault := range r.Faults {
		fmt.Fprintln(s.err, "FAULT", printable(fault))
	}
	if len(r.Faults) > 0 {
		return errNamed
	}
	return nil
}
