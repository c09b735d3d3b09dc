package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/client"
)

const operationsHelp = `kubectl signstash operations [ID|REFERENCE]

Prints the newest operations of all instances. Each instance tells its last 100. With an argument, the command
prints only the operations with this id or external reference. Instances tell references only if
management.showReferences is set. To find older operations, call the API: signctl status REFERENCE.

Rights: list statefulsets.apps and pods; create pods/portforward.
`

// operationView is an operation and the instance that has it.
type operationView struct {
	Pod string `json:"pod"`
	client.InstanceOperation
}

func runOperations(ctx context.Context, args []string, s streams) error {
	var o options
	fs := newFlags("operations", operationsHelp, s, &o)
	limit := fs.Int("limit", 20, "how many operations to print, at most")
	rest, err := parse(fs, args, &o)
	switch {
	case err != nil:
		return err
	case len(rest) > 1:
		return usageError{errors.New("want one id or reference at most")}
	case *limit < 1:
		return usageError{fmt.Errorf("--limit must be at least 1, not %d", *limit)}
	}
	c, err := connect(o, s.now)
	if err != nil {
		return err
	}
	r, err := c.findRelease(ctx, o.release)
	if err != nil {
		return err
	}
	pods, err := c.pods(ctx, r)
	if err != nil {
		return err
	}
	answers := c.instances(ctx, pods, time.Time{})
	views := newest(answers, slices.Concat(rest, []string{""})[0])
	views = views[:min(len(views), *limit)]
	faults := unread(answers)
	if len(rest) == 1 && len(views) == 0 && len(faults) == 0 {
		return notFound(rest[0], answers)
	}
	if err := o.show(s, views, func(t *table) { printOperations(t, views, c.now()) }); err != nil {
		return err
	}
	return notes(s, faults)
}

// newest returns the operations of all instances, the newest first. If wanted is not empty, it
// returns only those with this id or reference.
func newest(answers []answer, wanted string) []operationView {
	views := []operationView{}
	for _, a := range answers {
		for _, op := range a.Recent {
			if wanted == "" || op.Reference == wanted || strconv.FormatInt(op.ID, 10) == wanted {
				views = append(views, operationView{a.pod.Name, op})
			}
		}
	}
	slices.SortFunc(views, func(a, b operationView) int {
		return cmp.Or(b.Created.Compare(a.Created), cmp.Compare(b.ID, a.ID))
	})
	return views
}

func notFound(wanted string, answers []answer) error {
	hint := ""
	if slices.ContainsFunc(answers, func(a answer) bool { return a.err == nil && !a.ShowsReferences }) {
		hint = "; the instances tell no references, because management.showReferences is not set"
	}
	return fmt.Errorf("none of the last operations has the id or reference %q%s; "+
		"signctl status asks the API for older ones", wanted, hint)
}

func printOperations(t *table, views []operationView, now time.Time) {
	if len(views) == 0 {
		t.line("no operation yet")
		return
	}
	t.row("ID", "INSTANCE", "CLIENT ID", "REFERENCE", "STATUS", "DOCUMENTS", "CREATED", "TOOK")
	for _, v := range views {
		took := ""
		if !v.Ended.IsZero() {
			took = age(v.Ended.Sub(v.Created))
		}
		t.row(v.ID, v.Pod, v.ClientService, v.Reference, v.Status,
			fmt.Sprintf("%d of %d", v.EndedDocuments, v.Documents), age(now.Sub(v.Created))+" ago", took)
	}
}
