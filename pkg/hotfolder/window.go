package hotfolder

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// sidecarSuffix ends the name of a file that has settings for another file.
const sidecarSuffix = ".sign.json"

// candidate is a file that waits in the input folder.
type candidate struct {
	Entry
	since      time.Time // when this version was seen first, by our monotonic clock
	first      time.Time // when the name was seen first
	notBefore  time.Time // when it may be claimed again
	alone      time.Time // when a scan first found the sidecar without its file; zero = it has its file
	incomplete bool      // the content of this version has no end
	unreadable bool      // the last try to claim it said that it cannot be read
}

// window holds the oldest files of an input folder, so that the memory does not grow with the
// folder. It is not safe for concurrent use.
type window struct {
	cfg      *Config
	ignored  patterns // of names that are never signed
	files    map[string]*candidate
	sidecars map[string]*candidate // by the name of their file
	markers  map[string]*candidate // by the name of their file
	counts   counts
	at       time.Time // when the last scan began
	partial  bool      // the folder has sidecars or markers that are not remembered
}

// counts is what a scan has found.
type counts struct {
	waiting   int // regular files that are not ignored
	irregular int
	unknown   int       // files that the file system cannot describe
	beyond    int       // files that are not in the window, because it is full
	oldest    time.Time // when the oldest file was changed
}

func newWindow(cfg *Config) *window {
	return &window{
		cfg: cfg, files: make(map[string]*candidate), sidecars: make(map[string]*candidate),
		markers: make(map[string]*candidate), ignored: newPatterns(cfg.Ignored),
	}
}

// scan is a pass through the folder that replaces the content of a window.
type scan struct {
	*window
	now      time.Time
	kept     []Entry
	full     *Entry // a later file is not kept; nil = there is room
	sidecars map[string]*candidate
	markers  map[string]*candidate
	counts   counts
	partial  bool
}

func (w *window) begin(now time.Time) *scan {
	return &scan{window: w, now: now, sidecars: make(map[string]*candidate), markers: make(map[string]*candidate)}
}

// add adds an entry of the folder.
func (s *scan) add(e Entry) {
	if base, ok := strings.CutSuffix(e.Name, sidecarSuffix); ok && base != "" {
		s.companion(s.window.sidecars, s.sidecars, base, e)
		return
	}
	if suffix := s.cfg.DoneSuffix; suffix != "" {
		if base, ok := strings.CutSuffix(e.Name, suffix); ok && base != "" {
			s.companion(s.window.markers, s.markers, base, e)
			return
		}
	}
	if s.ignored.match(e.Name) {
		return
	}
	switch e.Irregular {
	case "":
	case Unexamined:
		s.counts.unknown++
		return
	default:
		s.counts.irregular++
		return
	}
	s.counts.waiting++
	if s.counts.oldest.IsZero() || e.Modified.Before(s.counts.oldest) {
		s.counts.oldest = e.Modified
	}
	if s.full != nil && later(e, *s.full) > 0 {
		s.counts.beyond++
		return
	}
	s.kept = append(s.kept, e)
	if len(s.kept) >= 2*s.cfg.Window {
		s.cut()
	}
}

func (s *scan) companion(before, to map[string]*candidate, base string, e Entry) {
	switch {
	case e.Irregular != "":
	case len(to) >= s.cfg.Window:
		s.partial = true
	default:
		to[base] = before[base].seen(e, s.now)
	}
}

// later compares the age of two files: 1 = a is later than b.
func later(a, b Entry) int {
	return cmp.Or(a.Modified.Compare(b.Modified), cmp.Compare(a.Name, b.Name))
}

// cut keeps the oldest files.
func (s *scan) cut() {
	slices.SortFunc(s.kept, later)
	if len(s.kept) > s.cfg.Window {
		s.counts.beyond += len(s.kept) - s.cfg.Window
		clear(s.kept[s.cfg.Window:])
		s.kept = s.kept[:s.cfg.Window]
		last := s.kept[s.cfg.Window-1]
		s.full = &last
	}
}

// end replaces the content of the window by what was found.
func (s *scan) end() {
	s.cut()
	files := make(map[string]*candidate, len(s.kept))
	for _, e := range s.kept {
		files[e.Name] = s.window.files[e.Name].seen(e, s.now)
	}
	s.window.files, s.window.sidecars, s.window.markers, s.window.counts = files, s.sidecars, s.markers, s.counts
	s.window.at, s.window.partial = s.now, s.partial
	s.window.noteAlone(s.now)
}

// noteAlone notes which sidecars have no file. Their time begins when they are alone, because
// another instance claims a file before its sidecar, and both may have waited for long.
func (w *window) noteAlone(now time.Time) {
	for base, c := range w.sidecars {
		if _, ok := w.files[base]; ok {
			c.alone = time.Time{}
		} else if c.alone.IsZero() {
			c.alone = now
		}
	}
}

// seen returns the candidate of an entry; c is that of the scan before or nil.
func (c *candidate) seen(e Entry, now time.Time) *candidate {
	switch {
	case c == nil:
		return &candidate{Entry: e, since: now, first: now}
	case c.Version != e.Version:
		return &candidate{Entry: e, since: now, first: c.first}
	}
	c.Arrival = e.Arrival
	return c
}

// longestWait returns how long the file has been seen that was seen first.
func (w *window) longestWait(now time.Time) (longest time.Duration) {
	for _, c := range w.files {
		longest = max(longest, now.Sub(c.first))
	}
	return longest
}

// due returns when a file may be claimed.
func (w *window) due(c *candidate) time.Time {
	at := c.since
	switch {
	case c.incomplete || c.Size == 0:
		at = at.Add(w.cfg.IncompleteAfter)
	case w.cfg.DoneSuffix != "":
		if _, ok := w.markers[c.Name]; !ok && !w.partial {
			at = at.Add(w.cfg.IncompleteAfter)
		}
	case c.Arrival == ArrivalWhole:
	case c.Arrival == ArrivalClosed:
		at = at.Add(min(closedDelay, w.cfg.Stability))
	default:
		at = at.Add(w.cfg.Stability)
	}
	if at.Before(c.notBefore) {
		return c.notBefore
	}
	return at
}

// late reports whether a file has waited too long for its end, its marker or the right to read it.
// It fails then.
func (w *window) late(c *candidate, now time.Time) bool {
	if c.incomplete || c.Size == 0 || c.unreadable && !now.Before(c.since.Add(w.cfg.IncompleteAfter)) {
		return true
	}
	_, marked := w.markers[c.Name]
	return w.cfg.DoneSuffix != "" && !marked
}

// unreadable returns how many files cannot be examined or read.
func (w *window) unreadable() int {
	n := w.counts.unknown
	for _, c := range w.files {
		if c.unreadable {
			n++
		}
	}
	return n
}

// complete returns the files that may be claimed now, oldest first, and when the next one may.
func (w *window) complete(now time.Time) (ready []*candidate, next time.Time) {
	for _, c := range w.files {
		at := w.due(c)
		if !at.After(now) {
			ready = append(ready, c)
		} else if next.IsZero() || at.Before(next) {
			next = at
		}
	}
	slices.SortFunc(ready, func(a, b *candidate) int { return later(a.Entry, b.Entry) })
	return ready, next
}

// orphans returns the sidecars whose file did not come in time.
func (w *window) orphans(now time.Time) (list []Entry) {
	for base, c := range w.sidecars {
		_, ok := w.files[base]
		late := !c.alone.IsZero() && now.Sub(c.alone) > w.cfg.IncompleteAfter
		if !ok && late && w.counts.beyond == 0 && !now.Before(c.notBefore) {
			list = append(list, c.Entry)
		}
	}
	return list
}
