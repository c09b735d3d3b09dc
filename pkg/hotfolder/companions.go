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

// claimCompanions claims sidecars and markers that are still in the input folder, because the
// process died after it had claimed their files, or because they could not be claimed then. A file
// goes back if they still cannot be claimed. It returns the files that stay.
func (r *runner) claimCompanions(ctx context.Context, items []*item) (stay []*item, err error) {
	if !r.unclear {
		return items, nil
	}
	wanted, err := r.storage.Noted(ctx, r.run, sidecarsNote)
	if err != nil {
		return nil, err
	}
	for _, it := range items {
		fault := r.companionsOf(ctx, it)
		if fault == nil {
			it.unsettled = it.sidecar == nil && isNoted(wanted, it.Name)
			stay = append(stay, it)
			continue
		}
		lasts := !errors.Is(fault, ErrInUse) && !errors.Is(fault, ErrChanged)
		if err := r.putBack(ctx, it, lasts); err != nil {
			return nil, errors.Join(fault, err)
		}
		if lasts {
			logFault(r.log, fault, "a file goes back, because its settings or its marker cannot be claimed", "run", r.run.ID)
		}
	}
	return stay, nil
}

// companionsOf claims the sidecar and the marker of an item.
func (r *runner) companionsOf(ctx context.Context, it *item) error {
	if r.base(it.Name) != "" {
		return nil
	}
	err := r.claimCompanion(ctx, it, sidecarSuffix, &it.sidecar)
	if err != nil || r.cfg.DoneSuffix == "" {
		return err
	}
	return r.claimCompanion(ctx, it, r.cfg.DoneSuffix, &it.marker)
}

// claimCompanion claims the file with a suffix that belongs to an item, if it exists.
func (r *runner) claimCompanion(ctx context.Context, it *item, suffix string, to **Claim) error {
	if *to != nil || len(it.Name)+len(suffix) > maxNameBytes {
		return nil
	}
	e, err := r.storage.Stat(ctx, it.Name+suffix)
	if errors.Is(err, ErrGone) || err == nil && e.Irregular != "" {
		return nil
	}
	if err == nil {
		e.Unread = r.final[it.Name]
		err = firstOf(r.storage.Claim(ctx, r.run, []Entry{e}))
	}
	if err == nil {
		*to = &Claim{Run: r.run, Name: e.Name, Size: e.Size, Modified: e.Modified}
	}
	if errors.Is(err, ErrGone) { // somebody has removed it meanwhile
		return nil
	}
	return err
}
