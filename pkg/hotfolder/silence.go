package hotfolder

import "time"

// trustAfter is how long an instance must be seen without a renewal before its silence is believed.
// Each instance renews every minute, so two renewals in a row are missing then.
const trustAfter = 2 * renewInterval

// silence watches how long other instances are silent. Owner.Silent compares two times of a wall
// clock. If that clock jumps forward, all instances seem to be silent for a long time, and if it
// jumps back, none does. So the silence is also measured by our own monotonic clock. The zero value
// has seen no instance. It is not safe for concurrent use.
type silence map[int]sighting

// sighting is the last renewal of an instance that was seen.
type sighting struct {
	renewed time.Time
	since   time.Time // when it was seen first, by our monotonic clock
}

// of returns for how long an instance is silent. It is 0 until the instance has been watched for
// long enough.
func (s silence) of(o Owner, now time.Time) time.Duration {
	seen, ok := s[o.Ordinal]
	if !ok || !seen.renewed.Equal(o.Renewed) {
		s[o.Ordinal] = sighting{o.Renewed, now}
		return 0
	}
	watched := now.Sub(seen.since)
	if watched < trustAfter {
		return 0
	}
	return max(o.Silent, watched)
}
