package bucket

import (
	"context"
	"errors"

	"github.com/signstash-proxy/signstash-proxy/pkg/hotfolder"
)

// Note implements hotfolder.Claims.
func (c *claims) Note(ctx context.Context, run hotfolder.Run, key string, text []byte) error {
	if err := c.enter(ctx, run); err != nil {
		return err
	}
	_, err := c.put(ctx, c.note(run.ID, key), text, when{})
	return err
}

// Noted implements hotfolder.Claims.
func (c *claims) Noted(ctx context.Context, run hotfolder.Run, key string) ([]byte, error) {
	if err := c.mine(ctx, run); err != nil {
		return nil, err
	}
	text, _, err := c.get(ctx, c.note(run.ID, key))
	if errors.Is(err, errNotFound) {
		return nil, nil
	}
	return text, err
}
