package bucket

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/hotfolder"
)

// PutBack implements hotfolder.Claims. It records the return first, so that the file does not come
// back twice if a crash interrupts it.
func (c *claims) PutBack(ctx context.Context, claim hotfolder.Claim) error {
	o, err := c.mineAndHeld(ctx, claim)
	if err != nil {
		return err
	}
	record := c.giveBack(claim.ID, o.meta[claimID])
	var t transfer
	begun, err := load(ctx, c.store, record, &t)
	if errors.Is(err, errNotFound) {
		t, err = c.beginReturn(ctx, claim.Name, o, record)
	}
	if err != nil {
		return err
	}
	return c.finishReturn(ctx, record, t, begun.modified)
}

// beginReturn prepares a return and records it.
func (c *claims) beginReturn(ctx context.Context, name string, o object, record string) (transfer, error) {
	to := c.input(name)
	if _, err := c.head(ctx, to); err == nil {
		return transfer{}, hotfolder.ErrExists
	}
	meta := maps.Clone(o.meta)
	delete(meta, claimID)
	delete(meta, claimModified)
	made, err := c.prepare(ctx, to, o, meta)
	if err != nil {
		return transfer{}, changed(err)
	}
	t := transfer{From: []byte(o.key), Name: []byte(name), Key: []byte(to), Ticket: made}
	if _, err := save(ctx, c.store, record, t, when{absent: true}); err != nil {
		c.abandon(ctx, to, made)
		return transfer{}, fmt.Errorf("record the return: %w", err)
	}
	return t, nil
}

// finishReturn shows the file and ends the claim. If the name is taken, the claim stays. begun is
// when the return was recorded, if that was not now. If the copy vanished long after that, the file
// may be lost, so the claim stays too.
func (c *claims) finishReturn(ctx context.Context, record string, t transfer, begun time.Time) error {
	err := c.gone(c.show(ctx, string(t.Key), t.Ticket), begun)
	if errors.Is(err, errCondition) {
		c.abandon(ctx, string(t.Key), t.Ticket)
		return errors.Join(hotfolder.ErrExists, c.remove(ctx, object{key: record}))
	}
	if err != nil {
		return err
	}
	if err := c.remove(ctx, object{key: string(t.From)}); err != nil {
		return err
	}
	return c.remove(ctx, object{key: record})
}

// resumeReturn completes a return that was interrupted.
func (c *claims) resumeReturn(ctx context.Context, run hotfolder.Run, record string) error {
	var t transfer
	begun, err := load(ctx, c.store, record, &t)
	if errors.Is(err, errNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	// The claim may have ended, and another one of that name may have begun.
	o, err := c.head(ctx, string(t.From))
	id := strings.TrimPrefix(record, c.giveBack(run.ID, ""))
	if errors.Is(err, errNotFound) || err == nil && o.meta[claimID] != id {
		return c.remove(ctx, object{key: record})
	}
	if err == nil {
		err = c.finishReturn(ctx, record, t, begun.modified)
	}
	if errors.Is(err, hotfolder.ErrExists) {
		return nil
	}
	return err
}

// Release implements hotfolder.Claims. The record of the run goes last, so a crash leaves a run
// that can be released again.
func (c *claims) Release(ctx context.Context, run hotfolder.Run) error {
	err := c.mine(ctx, run)
	if errors.Is(err, hotfolder.ErrLost) {
		return nil
	}
	if err = errors.Join(err, c.resume(ctx, run)); err != nil {
		return err
	}
	first, err := c.list(ctx, c.original(run.ID, ""), false, "")
	if err != nil {
		return err
	}
	if len(first.objects) > 0 {
		return hotfolder.ErrExists
	}
	for _, part := range []string{"staged", "delivery", "return", "note"} {
		if err := c.deleteAll(ctx, c.own("runs", run.ID, part, "")); err != nil {
			return err
		}
	}
	return c.remove(ctx, object{key: c.run(run.ID)})
}
