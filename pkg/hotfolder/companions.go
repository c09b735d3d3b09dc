package hotfolder

import (
	"context"
	"errors"
	"time"
)

// findCompanions looks for sidecars and markers that the last scan may have missed. It returns the
// files that may be claimed. A scan misses a companion that arrived while it listed the folder, or
// that did not fit into the window.
func (f *folder) findCompanions(ctx context.Context, group []*candidate, now time.Time) ([]*candidate, error) {
	kept := group[:0:0]
	for _, c := range group {
		if c.first.Before(f.window.at) && !f.window.partial {
			kept = append(kept, c)
			continue
		}
		if err := f.companion(ctx, f.window.sidecars, c, sidecarSuffix); err != nil {
			return nil, err
		}
		if f.cfg.DoneSuffix != "" {
			if err := f.companion(ctx, f.window.markers, c, f.cfg.DoneSuffix); err != nil {
				return nil, err
			}
			if f.window.markers[c.Name] == nil && now.Before(c.since.Add(f.cfg.IncompleteAfter)) {
				c.notBefore = now.Add(f.cfg.Stability)
				continue
			}
		}
		kept = append(kept, c)
	}
	return kept, nil
}

// companion adds the companion of a file to a list if it exists.
func (f *folder) companion(ctx context.Context, list map[string]*candidate, c *candidate, suffix string) error {
	if list[c.Name] != nil || len(c.Name)+len(suffix) > maxNameBytes {
		return nil
	}
	e, err := f.storage.Stat(ctx, c.Name+suffix)
	switch {
	case errors.Is(err, ErrGone), err == nil && e.Irregular != "":
		return nil
	case err != nil:
		return err
	}
	list[c.Name] = (*candidate)(nil).seen(e, time.Now())
	return nil
}
