package store

import (
	"context"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// calls counts open calls, compares them with the documents, and compares their digests with the
// counters.
func (c *checker) calls(ctx context.Context) error {
	open, inCalls := int64(0), make(map[int64]bool)
	err := c.each(ctx, "SELECT id, refs FROM calls", func(r row) error {
		var id string
		var list []byte
		if err := r.Scan(&id, &list); err != nil {
			return err
		}
		c.report.OpenCalls++
		refs, err := decodeRefs(list)
		if err != nil || len(refs) == 0 {
			c.report.fault("call %s: its documents cannot be read", id)
		}
		open += int64(len(refs))
		for _, ref := range refs {
			inCalls[documentID(ref.Operation, ref.Index)] = true
			if err := c.called(ctx, id, ref); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	if err := c.sent(ctx, inCalls); err != nil {
		return err
	}
	return c.each(ctx, "SELECT sent, returned, unknown, refused FROM instance", func(r row) error {
		var n signing.Counters
		err := r.Scan(&n.Sent, &n.Returned, &n.Unknown, &n.Refused)
		if err == nil && n.Sent != n.Returned+n.Unknown+n.Refused+open {
			c.report.fault("counters: %d digests were sent, but %d returned, %d are unknown, %d refused and %d in open calls",
				n.Sent, n.Returned, n.Unknown, n.Refused, open)
		}
		return err
	})
}

// called checks that a document of an open call is in state sent. The document may also have ended
// meanwhile, or be removed with its operation.
func (c *checker) called(ctx context.Context, call string, ref signing.Ref) error {
	return c.each(
		ctx,
		"SELECT state FROM progress WHERE id = ? AND state NOT IN ('sent', 'signed', 'failed')",
		func(r row) error {
			var state string
			err := r.Scan(&state)
			if err == nil {
				c.report.fault("operation %s document %d: is %s, but call %s has no end", ref.Operation, ref.Index, state, call)
			}
			return err
		},
		documentID(ref.Operation, ref.Index),
	)
}

// sent checks that every document in state sent belongs to an open call, because otherwise it waits
// for ever.
func (c *checker) sent(ctx context.Context, inCalls map[int64]bool) error {
	return c.each(
		ctx,
		"SELECT d.id, d.operation, d.position FROM progress p JOIN documents d ON d.id = p.id WHERE p.state = 'sent'",
		func(r row) error {
			var document, position int64
			var id signing.ID
			err := r.Scan(&document, &id, &position)
			if err == nil && !inCalls[document] {
				c.report.fault("operation %s document %d: is sent, but no call has it", id, position)
			}
			return err
		},
	)
}

// orphans checks that every row belongs to an operation.
func (c *checker) orphans(ctx context.Context) error {
	belongs := map[string]string{"documents": "operation NOT IN (SELECT id FROM operations)"}
	for _, table := range []string{"progress", "prepared", "sections"} {
		belongs[table] = "id NOT IN (SELECT id FROM documents)"
	}
	if c.databaseVersion >= 4 {
		belongs["callbacks"] = "operation NOT IN (SELECT id FROM operations)"
	}
	for table, condition := range belongs {
		err := c.each(ctx, "SELECT count(*) FROM "+table+" WHERE "+condition, func(r row) error {
			var n int
			err := r.Scan(&n)
			if n > 0 {
				c.report.fault("table %s: %d rows belong to no operation", table, n)
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}
