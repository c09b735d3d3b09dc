package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/signstash-proxy/signstash-proxy/pkg/audit"
)

const auditHelp = `signctl audit verify FOLDER [--expect HASH]

Follows the chain of the record of signatures through all files of a folder (audit in the proxy's state folder) and names every place
where something was changed, removed, added or moved. It prints the last hash of the chain: note it elsewhere, and --expect tells later
whether everything up to it is still there. The proxy may run meanwhile.

Exit code 0 only if the record is whole.
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
		return fmt.Errorf("%s holds no audit file", rest[1])
	}
	fmt.Fprintf(
		s.out,
		"%d files, %d records: %d returned, %d refused, %d unknown\nfirst  %s\nlast   %s\n",
		r.Files,
		r.Records,
		r.ByOutcome[audit.Returned],
		r.ByOutcome[audit.Refused],
		r.ByOutcome[audit.Unknown],
		r.First,
		r.Last,
	)
	if r.Torn {
		fmt.Fprintln(s.out, "the last line is not whole: a process died there, or writes there now; no record is missing")
	}
	for _, fault := range r.Faults {
		fmt.Fprintln(s.err, "FAULT", printable(fault))
	}
	if !found {
		fmt.Fprintln(
			s.err,
			"FAULT the chain does not hold the hash expected: its newest records were removed, or it is another chain",
		)
	}
	if len(r.Faults) > 0 || !found {
		return errNamed
	}
	return nil
}
