package bucket

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/hotfolder"
)

// check examines a bucket for operators.
type check struct{ *shared }

// maxSkew is the largest difference between the clocks that is no problem. Stores refuse requests
// with a difference of more than 15 minutes, and rights that expire suffer earlier.
const maxSkew = time.Minute

// Check implements hotfolder.Storage.
func (c *check) Check(ctx context.Context) []hotfolder.Finding {
	var list []hotfolder.Finding
	add := func(folder, what, good string, err error) {
		f := hotfolder.Finding{Folder: folder, What: what, OK: err == nil, Detail: good}
		if err != nil {
			f.Detail = err.Error()
		}
		list = append(list, f)
	}
	p, err := c.list(ctx, c.Input.Prefix, true, "")
	add("input", "read access", fmt.Sprintf("%s can be listed", c.Input), err)
	if errors.Is(err, errNoBucket) || errors.Is(err, errDenied) || errors.Is(err, errTransient) ||
		errors.Is(err, errCredentials) {
		return list // everything else fails for the same reason, and may need minutes
	}
	if !p.now.IsZero() {
		add("input", "clock", "the clock of the store agrees with ours", skew(p.now, time.Now()))
	}
	add("input", "conditional writes", "the store supports If-None-Match and If-Match", c.able.conditional(ctx, c.shared))
	for _, f := range []struct{ name, prefix string }{
		{"input", c.own("check", fmt.Sprint(c.ordinal), "")}, {"output", c.Output.Prefix}, {"backup", c.Backup.Prefix}} {
		add(f.name, "write access", "objects can be written, copied, read and deleted", c.tryFolder(ctx, f.prefix))
	}
	return list
}

// skew compares the clocks.
func skew(theirs, ours time.Time) error {
	if d := theirs.Sub(ours).Abs(); d > maxSkew {
		return fmt.Errorf("the clock of the store differs from ours by %s", d.Round(time.Second))
	}
	return nil
}

// tryFolder writes an object, shows a copy of it below prefix, reads it and deletes both. The name
// begins with a dot, because consumers ignore such files.
func (c *check) tryFolder(ctx context.Context, prefix string) (err error) {
	from := c.own("check", fmt.Sprint(c.ordinal), "write-"+nonce())
	to := prefix + ".signstash-check-" + nonce()
	defer func() {
		err = errors.Join(err, c.remove(ctx, object{key: from}), c.remove(ctx, object{key: to}))
	}()
	if _, err := c.upload(ctx, object{key: from}, strings.NewReader("check")); err != nil {
		return err
	}
	o, err := c.head(ctx, from)
	if err != nil {
		return err
	}
	t, err := c.prepare(ctx, to, o, nil)
	if err != nil {
		return err
	}
	if err := c.show(ctx, to, t); err != nil {
		return err
	}
	o, err = c.head(ctx, to)
	if err != nil {
		return err
	}
	return c.read(ctx, o, make([]byte, o.size), 0)
}
