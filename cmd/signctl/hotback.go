package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/hotfolder"
	"github.com/signstash-proxy/signstash-proxy/pkg/hotfolder/directory"
)

// retryRun puts the documents of a run that failed back into the input folder.
func retryRun(ctx context.Context, h hotFolders, run string, s streams) error {
	result := h.report(s)
	failed, found := 0, 0
	var faults []string
	shared := sharedBackups(h.clients)
	for _, c := range h.clients {
		if shared[c.cfg.Backup] {
			faults = append(faults, c.id+": other client services use its backup folder too, so it is not known whose run "+
				"that is; name the client service with --client")
			continue
		}
		list, err := directory.Retry(ctx, c.cfg, run)
		if err != nil {
			faults = append(faults, c.id+": "+err.Error())
		} else {
			found++
		}
		for _, r := range list {
			failed++
			if r.Err != nil {
				fmt.Fprintln(s.err, "STAYS", printable(c.id+": "+r.Name+": "+r.Err.Error()))
				result = errReported
				continue
			}
			fmt.Fprintln(s.out, "PUT BACK", printable(c.id+": "+r.Name))
		}
	}
	// A run belongs to one client service, so the others do not have it.
	if found == 0 {
		for _, fault := range faults {
			fmt.Fprintln(s.err, "FAULT", printable(fault))
		}
		return errReported
	}
	if failed == 0 {
		return fmt.Errorf("run %s has no documents that failed", run)
	}
	return result
}

// sharedBackups returns the backup folders of more than one client service. The documents in them
// must not come to the input folder of another client service.
func sharedBackups(clients []hotFolderClient) map[string]bool {
	shared := make(map[string]bool)
	for _, c := range clients {
		_, again := shared[c.cfg.Backup]
		shared[c.cfg.Backup] = again
	}
	return shared
}

// renewedWithin is how long ago a running instance renewed its claims at most: it does so every
// minute.
const renewedWithin = 3 * time.Minute

// releaseClaims gives the claims of an instance back to the input folders.
func releaseClaims(ctx context.Context, h hotFolders, text string, force bool, s streams) error {
	ordinal, err := strconv.Atoi(text)
	if err != nil || ordinal < 0 {
		return usageError{fmt.Errorf("want the ordinal of an instance, such as 0, not %q", text)}
	}
	result := h.report(s)
	for _, c := range h.clients {
		holders, err := c.owners(ctx)
		if err == nil {
			err = mayRelease(holders, ordinal, force, c.id, s)
		}
		if err == nil {
			c.cfg.Ordinal = ordinal
			err = releaseAll(ctx, c, s)
		}
		if err != nil && !errors.Is(err, errReported) {
			fmt.Fprintln(s.err, "FAULT", printable(c.id+": "+err.Error()))
		}
		if err != nil {
			result = errReported
		}
	}
	return result
}

// mayRelease returns an error if the instance is running, unless force is set.
func mayRelease(owners []hotfolder.Owner, ordinal int, force bool, client string, s streams) error {
	for _, o := range owners {
		if o.Ordinal != ordinal || o.Silent >= renewedWithin {
			continue
		}
		warning := fmt.Sprintf("instance %d renewed its claims %s ago and may still run",
			ordinal, o.Silent.Round(time.Second))
		if !force {
			return fmt.Errorf("%s. Stop it, or use --force", warning)
		}
		fmt.Fprintln(s.err, "WARNING", printable(client+": "+warning))
	}
	return nil
}

// releaseAll gives back all claims of an instance on the folders of one client service.
func releaseAll(ctx context.Context, c hotFolderClient, s streams) (result error) {
	storage, err := c.openAs()
	if err != nil {
		return err
	}
	defer func() { result = errors.Join(result, storage.Close()) }()
	var runs []hotfolder.Run
	for run, err := range storage.Runs(ctx, c.cfg.Ordinal) {
		if err != nil {
			return err
		}
		runs = append(runs, run)
	}
	if len(runs) == 0 {
		fmt.Fprintln(s.out, printable(fmt.Sprintf("%s: instance %d has no claims", c.id, c.cfg.Ordinal)))
	}
	for _, run := range runs {
		if err := releaseRun(ctx, storage, run, c.id, s); err != nil {
			return err
		}
	}
	return nil
}

// releaseRun gives back the claims of one run. Sidecars and markers have longer names than their
// files and go first, so that no instance claims a file without them.
func releaseRun(ctx context.Context, storage hotfolder.Storage, run hotfolder.Run, client string, s streams) error {
	var list []hotfolder.Claim
	for c, err := range storage.Claimed(ctx, run) {
		if err != nil {
			return err
		}
		list = append(list, c)
	}
	slices.SortFunc(list, func(a, b hotfolder.Claim) int {
		return cmp.Or(cmp.Compare(len(b.Name), len(a.Name)), cmp.Compare(a.Name, b.Name))
	})
	var result error
	back := 0
	for _, c := range list {
		err := ctx.Err()
		switch {
		case err != nil:
		case c.Delivered:
			err = errors.New("its delivery has begun; an instance that takes over the run completes it")
		default:
			err = storage.PutBack(ctx, c)
		}
		if err != nil {
			fmt.Fprintln(s.err, "STAYS", printable(fmt.Sprintf("%s: run %s: %s: %v", client, run.ID, c.Name, err)))
			result = errReported
			continue
		}
		back++
	}
	fmt.Fprintln(s.out, printable(fmt.Sprintf("%s: run %s: %d files are in the input folder again", client, run.ID, back)))
	if result != nil {
		return result
	}
	return storage.Release(ctx, run)
}
