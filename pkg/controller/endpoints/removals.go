package endpoints

import (
	"maps"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/affinity"
)

// predecessor returns the directory that the next one replaces. data is the content of the
// ConfigMap, and ours says that the ConfigMap belongs to the present StatefulSet. last is what this
// controller has written, if it has. The numbers of removals never fall: if the content is lost or
// may be an old one, they start again from the time now, which is higher. The error says that the
// content is damaged. The directory is good even then.
func predecessor(data string, ours bool, last affinity.Directory, now time.Time) (affinity.Directory, error) {
	d, err := affinity.DecodeDirectory([]byte(data))
	switch {
	case err != nil && last.Ever > 0:
		d = last
	case err != nil || !ours:
		d.RemovalsBase = uint64(now.UnixMilli())
	}
	d.Ever = max(d.Ever, last.Ever)
	d.RemovalsBase = max(d.RemovalsBase, last.RemovalsBase)
	removals := make(map[int]uint64)
	maps.Copy(removals, d.Removals)
	for ordinal, count := range last.Removals {
		removals[ordinal] = max(removals[ordinal], count)
	}
	d.Removals = removals
	if data == "" {
		err = nil // nobody has written it yet, or it was deleted
	}
	return d, err
}

// countRemovals sets the numbers of d that tell which instances were removed for good. before is
// the directory that d replaces. An instance is removed when Expected is lowered so far that the
// instance is not expected any more. A stop of all instances removes none, because it is temporary,
// as for a backup. The instances that stay away when others are started again were removed.
func countRemovals(d *affinity.Directory, before affinity.Directory) {
	d.RemovalsBase, d.Removals = before.RemovalsBase, before.Removals
	wanted := max(before.Expected, before.Stopped)
	if d.Expected == 0 {
		d.Stopped = wanted
		return
	}
	for ordinal := d.Expected; ordinal < wanted; ordinal++ {
		d.Removals[ordinal]++
	}
}
