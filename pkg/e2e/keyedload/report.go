package keyedload

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Report is the judgement of a Load.
type Report struct {
	Keys     int // new keys that were sent
	Accepted int // of them, in the end
	// Delivered counts the signed documents that were fetched. It includes those of keys that made an
	// operation although the client was told nothing, because the answer was lost.
	Delivered int

	// Refused holds the new keys whose client gave up after 503 or 429.
	Refused []Refusal
	// Busy holds the new keys with at least one such answer, accepted later or not. Keys that were
	// sent twice at the same time are left out: one of the two may have to wait for the other.
	Busy []Refusal
	// Unanswered holds the new keys whose client gave up without any answer.
	Unanswered []string
	// Wrong holds answers that no careful client expects, such as 409 or 500.
	Wrong []string

	// Repeats counts keys that were sent once more, at the same time or later. RepeatsBusy of them got
	// 503 or 429 at least once, and RepeatsRefused to the end.
	Repeats, RepeatsBusy, RepeatsRefused int

	// Lost holds accepted keys whose document could not be fetched, and other keys of which no
	// instance said whether they made an operation.
	Lost []string
	// Doubled holds keys that were answered with two different operations.
	Doubled []string

	sent []sent // the new keys that were not sent twice at the same time
	// waits are the times from the first attempt of a new key to its acceptance, in order. Keys that
	// were sent twice at the same time are left out.
	waits []time.Duration
}

// sent is a new key and its first attempt.
type sent struct {
	key  string
	at   time.Time
	busy bool // it got 503 or 429 at least once
}

// Refusal is a key that got 503 or 429.
type Refusal struct {
	Key      string
	At       time.Time // of the attempt
	Instance string    // that refused
	Text     string    // of the answer
	// Cut says that an earlier attempt of the key got no answer. So an instance may own the key
	// without the client's knowledge.
	Cut bool
}

// judge judges keys that have ended.
func judge(keys []*key) (r Report) {
	for _, k := range keys {
		r.Keys++
		r.first(k)
		r.more(k)
		op := k.operation()
		if k.delivered {
			r.Delivered++
		} else if op != nil || k.problem != notFound {
			r.Lost = append(r.Lost, k.name+": "+k.problem)
		}
		if op == nil {
			continue
		}
		r.Accepted++
		for _, s := range []*series{k.twin, k.repeat} {
			if s != nil && s.accepted != nil && *s.accepted != *op && s.accepted.ID != op.ID {
				r.Doubled = append(r.Doubled, fmt.Sprintf("%s: operations %d and %d", k.name, op.ID, s.accepted.ID))
			}
		}
	}
	slices.Sort(r.waits)
	return r
}

// first judges the new key.
func (r *Report) first(k *key) {
	last := k.first.attempts[len(k.first.attempts)-1]
	refusal := k.first.refusal(k.name)
	if k.twin == nil {
		r.sent = append(r.sent, sent{key: k.name, at: k.first.attempts[0].at, busy: refusal != nil})
	}
	if refusal != nil {
		if k.twin == nil {
			r.Busy = append(r.Busy, *refusal)
		}
		if k.first.accepted == nil {
			r.Refused = append(r.Refused, *refusal)
		}
	}
	switch {
	case k.first.accepted != nil && k.twin != nil: // one of the two may have had to wait for the other
	case k.first.accepted != nil:
		r.waits = append(r.waits, last.at.Add(last.took).Sub(k.first.attempts[0].at))
	case last.unanswered() && refusal == nil:
		r.Unanswered = append(r.Unanswered, k.name)
	}
	r.wrong(k.name, &k.first)
}

// more judges the repetitions of a key.
func (r *Report) more(k *key) {
	for _, s := range []*series{k.twin, k.repeat} {
		if s == nil || len(s.attempts) == 0 {
			continue
		}
		r.Repeats++
		if s.refusal(k.name) != nil {
			r.RepeatsBusy++
		}
		if last := s.attempts[len(s.attempts)-1]; last.busy() {
			r.RepeatsRefused++
		}
		r.wrong(k.name, s)
	}
}

func (r *Report) wrong(name string, s *series) {
	for _, a := range s.attempts {
		if _, expected := a.wait(); !expected && a.status != 202 {
			r.Wrong = append(r.Wrong, fmt.Sprintf("%s: %d of %s: %s", name, a.status, a.instance, a.text))
		}
	}
}

// refusal returns the first refusal of a series, or nil.
func (s *series) refusal(name string) *Refusal {
	cut := false
	for _, a := range s.attempts {
		if a.busy() {
			return &Refusal{Key: name, At: a.at, Instance: a.instance, Text: a.text, Cut: cut}
		}
		cut = cut || a.unanswered()
	}
	return nil
}

// Between returns the new keys whose first attempt was between two times, and how many of them got
// 503 or 429 at least once. Keys that were sent twice at the same time are left out.
func (r *Report) Between(from, to time.Time) (keys []string, busy int) {
	for _, s := range r.sent {
		if s.at.Before(from) || s.at.After(to) {
			continue
		}
		keys = append(keys, s.key)
		if s.busy {
			busy++
		}
	}
	return keys, busy
}

// Wait returns the time from the first attempt to the acceptance that the given part of the
// accepted keys did not exceed, such as 0.95. It is 0 if no key was accepted.
func (r *Report) Wait(part float64) time.Duration {
	if len(r.waits) == 0 {
		return 0
	}
	return r.waits[min(int(part*float64(len(r.waits))), len(r.waits)-1)]
}

// String is one line.
func (r *Report) String() string {
	return fmt.Sprintf("%d new keys: %d refused, %d (%.1f %%) got 503 first, %d unanswered; accepted after %v (median), "+
		"%v (p95), %v (longest); %d repetitions: %d refused, %d got 503 first; %d delivered, %d lost, %d doubled",
		r.Keys, len(r.Refused), len(r.Busy), 100*float64(len(r.Busy))/float64(max(r.Keys, 1)), len(r.Unanswered),
		r.Wait(0.5).Round(time.Millisecond), r.Wait(0.95).Round(time.Millisecond), r.Wait(1).Round(time.Millisecond),
		r.Repeats, r.RepeatsRefused, r.RepeatsBusy, r.Delivered, len(r.Lost), len(r.Doubled))
}

// Reasons returns the texts of the refusals with their numbers, the most frequent first.
func (r *Report) Reasons() string {
	count := map[string]int{}
	for _, b := range r.Busy {
		count[b.Text]++
	}
	texts := slices.SortedFunc(maps.Keys(count), func(a, b string) int {
		return cmp.Or(cmp.Compare(count[b], count[a]), cmp.Compare(a, b))
	})
	var out strings.Builder
	for _, text := range texts {
		fmt.Fprintf(&out, "\n%6d x %s", count[text], text)
	}
	return out.String()
}
