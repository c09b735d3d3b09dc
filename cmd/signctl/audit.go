package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/signstash-proxy/signstash-proxy/pkg/audit"
)

const auditHelp = `signctl audit verify FOLDER [--expect HASH]

Checks the audit record in a folder (the folder audit in the proxy's state folder). It follows the chain of
hashes through all files and reports every line or file that was changed, removed, added or moved. The proxy
may run meanwhile.

The command prints the last hash of the chain. Keep this hash in another place. Later, --expect checks that
the record up to this hash still exists.

The exit code is 0 only if the record has no fault.
`

// runAudit runs the subcommands of audit. There is only one today.
func runAudit(_ context.Context, args []string, s streams) error {
	fs := newFlags("audit verify", auditHelp, s)
	expect := fs.String("expect", "", "a `hash` that must be in the chain")
	rest, err := parse(fs, args)
	if err != nil {
		return err
	}
	if len(rest) != 2 || rest[0] != "verify" {
		return usageError{errors.New("want: audit verify FOLDER")}
	}
	found := *expect == ""
	r, err := audit.Verify(rest[1], func(hash string, _ *audit.Record) { found = found || hash == *expect })
	if err != nil {
		return err
	}
	if r.Files == 0 {
		return fmt.Errorf("%s contains no audit file", rest[1])
	}
	fmt.Fprintf(s.out, "%d files, %d records: %d returned, %d refused, %d unknown\nfirst  %s\nlast   %s\n",
		r.Files, r.Records, r.ByOutcome[audit.Returned], r.ByOutcome[audit.Refused], r.ByOutcome[audit.Unknown],
		r.First, r.Last)
	if r.Torn {
		fmt.Fprintln(s.out, "the last line is incomplete because a process died or is still writing; no record is missing")
	}
	for _, fault := range r.Faults {
		fmt.Fprintln(s.err, "FAULT", printable(fault))
	}
	if !found {
		fmt.Fprintln(s.err, "FAULT the chain does not contain the expected hash: "+
			"its newest records were removed, or it is another chain")
	}
	if len(r.Faults) > 0 || !found {
		return errReported
	}
	return nil
}
