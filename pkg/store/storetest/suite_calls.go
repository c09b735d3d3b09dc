package storetest

import (
	"fmt"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

var callTests = []test{
	{name: "a call is open until it ends", run: func(f *fixture) {
		a, b := f.create("c", "a", many(3)...), f.create("d", "b", many(2)...)
		refs := append(refsOf(b.ID, 1), refsOf(a.ID, 2, 0)...) // the order of the digests, not of the documents
		other := refsOf(a.ID, 1)
		f.advance(signing.DocumentPrepared, append(refs, other...))
		f.must(
			f.BeginCall(f.ctx(), signing.CallRecord{ID: "first", Credential: "credential one", Certificate: "1f", Refs: refs}),
		)
		f.must(f.BeginCall(f.ctx(), signing.CallRecord{ID: "second", Credential: "credential two", Refs: other}))
		f.must(f.NoteCall(f.ctx(), "first", "handle"))
		open, err := f.OpenCalls(f.ctx())
		f.must(err)
		f.wantEqual("OpenCalls", open, []signing.CallRecord{
			{
				ID:          "first",
				Credential:  "credential one",
				Certificate: "1f",
				Handle:      "handle",
				Refs:        refs,
			},
			{ID: "second", Credential: "credential two", Refs: other},
		})
		f.wantCounters("in flight", signing.Counters{Sent: 4})

		f.must(f.EndCall(f.ctx(), "first", valuesOf(refs)))
		f.wantCounters("one returned", signing.Counters{Sent: 4, Returned: 3})
		for i, ref := range refs {
			f.wantPrepared(ref, valuesOf(refs)[i])
		}
		f.wantStates("a", a.ID, signing.DocumentValued, signing.DocumentSent, signing.DocumentValued)
		f.wantStates("b", b.ID, signing.DocumentReceived, signing.DocumentValued)
		open, err = f.OpenCalls(f.ctx())
		f.must(err)
		f.wantEqual("OpenCalls", open, []signing.CallRecord{{ID: "second", Credential: "credential two", Refs: other}})
	}},
	{name: "a missing call", run: func(f *fixture) {
		op := f.create("c", "r", "a")
		refs := refsOf(op.ID, 0)
		f.advance(signing.DocumentPrepared, refs)
		f.must(f.BeginCall(f.ctx(), signing.CallRecord{ID: "ended", Credential: "credential", Refs: refs}))
		f.must(f.EndCall(f.ctx(), "ended", valuesOf(refs)))
		for _, call := range []string{"", "never begun", "ended"} {
			f.wantConflict("NoteCall", f.NoteCall(f.ctx(), call, "handle"))
			f.wantConflict("EndCall", f.EndCall(f.ctx(), call, valuesOf(refs)))
			f.wantConflict("AbandonCall", f.AbandonCall(f.ctx(), call, signing.OutcomeUnknown))
		}
		f.wantCounters("after", signing.Counters{Sent: 1, Returned: 1})
	}},
	{name: "calls that cannot begin", run: func(f *fixture) {
		op := f.create("c", "r", many(2)...)
		f.advance(signing.DocumentPrepared, refsOf(op.ID, 0, 1))
		f.must(f.BeginCall(f.ctx(), signing.CallRecord{ID: "call", Credential: "credential", Refs: refsOf(op.ID, 0)}))
		f.wantConflict("BeginCall under a name in use",
			f.BeginCall(f.ctx(), signing.CallRecord{ID: "call", Credential: "credential", Refs: refsOf(op.ID, 1)}))
		f.wantConflict("BeginCall without documents",
			f.BeginCall(f.ctx(), signing.CallRecord{ID: "empty", Credential: "credential", Refs: nil}))
		f.wantStates("after", op.ID, signing.DocumentSent, signing.DocumentPrepared)
		f.wantCounters("after", signing.Counters{Sent: 1})
	}},
	{name: "values that do not match the call", run: func(f *fixture) {
		op := f.create("c", "r", many(2)...)
		refs := refsOf(op.ID, 0, 1)
		f.advance(signing.DocumentPrepared, refs)
		f.must(f.BeginCall(f.ctx(), signing.CallRecord{ID: "call", Credential: "credential", Refs: refs}))
		f.wantConflict("EndCall with too few values", f.EndCall(f.ctx(), "call", valuesOf(refs[:1])))
		f.wantConflict("EndCall with too many values", f.EndCall(f.ctx(), "call", valuesOf(append(refs, refs[0]))))
		f.wantStates("after", op.ID, signing.DocumentSent, signing.DocumentSent)
		f.must(f.EndCall(f.ctx(), "call", valuesOf(refs)))
	}},
	{name: "abandoned calls", run: func(f *fixture) {
		want := signing.Counters{}
		for i, outcome := range []signing.Outcome{signing.OutcomeRefused, signing.OutcomeUnknown} {
			op := f.create("c", string(outcome), many(2)...)
			refs := refsOf(op.ID, 0, 1)
			f.advance(signing.DocumentPrepared, refs)
			f.must(f.BeginCall(f.ctx(), signing.CallRecord{ID: "call", Credential: "credential", Refs: refs}))
			if err := f.AbandonCall(f.ctx(), "call", "something else"); err == nil {
				f.Error("AbandonCall with no known outcome = nil, want an error")
			}
			f.must(f.AbandonCall(f.ctx(), "call", outcome))
			want.Sent += 2
			if i == 0 {
				want.Refused += 2
			} else {
				want.Unknown += 2
			}
			f.wantStates(string(outcome), op.ID, signing.DocumentPrepared, signing.DocumentPrepared)
			f.wantCounters(string(outcome), want)
			f.wantPrepared(refs[0], nil)
			// the name can be used again
			f.must(f.BeginCall(f.ctx(), signing.CallRecord{ID: "call", Credential: "credential", Refs: refs}))
			f.must(f.EndCall(f.ctx(), "call", valuesOf(refs)))
			want.Sent, want.Returned = want.Sent+2, want.Returned+2
			f.wantCounters(string(outcome)+" and sent again", want)
		}
	}},
	{name: "a document that failed during its call", run: func(f *fixture) {
		for _, abandoned := range []bool{true, false} {
			op := f.create("c", fmt.Sprint(abandoned), many(3)...)
			refs := refsOf(op.ID, 0, 1, 2)
			f.advance(signing.DocumentPrepared, refs)
			f.must(f.BeginCall(f.ctx(), signing.CallRecord{ID: "call", Credential: "credential", Refs: refs}))
			f.must(f.FinishDocuments(f.ctx(), failedOf(refs[1:2])))
			if abandoned {
				f.must(f.AbandonCall(f.ctx(), "call", signing.OutcomeUnknown))
				f.wantStates("after AbandonCall", op.ID, signing.DocumentPrepared, signing.DocumentFailed, signing.DocumentPrepared)
				f.wantCounters("after AbandonCall", signing.Counters{Sent: 3, Unknown: 3})
				continue
			}
			f.must(f.EndCall(f.ctx(), "call", valuesOf(refs)))
			f.wantStates("after EndCall", op.ID, signing.DocumentValued, signing.DocumentFailed, signing.DocumentValued)
			f.wantPrepared(refs[2], valuesOf(refs)[2])
			f.wantCounters("after EndCall", signing.Counters{Sent: 6, Unknown: 3, Returned: 3})
		}
	}},
	{name: "an operation that was removed during its call", run: func(f *fixture) {
		gone, op := f.create("c", "gone", "a"), f.create("c", "here", "a")
		refs := append(refsOf(gone.ID, 0), refsOf(op.ID, 0)...)
		f.advance(signing.DocumentPrepared, refs)
		f.must(f.BeginCall(f.ctx(), signing.CallRecord{ID: "call", Credential: "credential", Refs: refs}))
		f.must(f.FinishDocuments(f.ctx(), failedOf(refs[:1])))
		f.must(
			f.SetStatus(f.ctx(), gone.ID, signing.StatusPending,
				signing.StatusChange{Status: signing.StatusFailed, Ended: time.Now()}),
		)
		f.must(f.Remove(f.ctx(), gone.ID))
		f.must(f.EndCall(f.ctx(), "call", valuesOf(refs)))
		f.wantPrepared(refs[1], valuesOf(refs)[1])
		f.wantCounters("after EndCall", signing.Counters{Sent: 2, Returned: 2})
	}},
}

var concurrencyTests = []test{
	{name: "one of many wins", run: func(f *fixture) {
		op := f.create("c", "r", "a")
		refs := refsOf(op.ID, 0)
		f.advance(signing.DocumentPrepared, refs)
		f.race("BeginCall", func(i int) error {
			return f.BeginCall(f.ctx(), signing.CallRecord{ID: fmt.Sprint(i), Credential: "credential", Refs: refs})
		})
		f.wantCounters("after", signing.Counters{Sent: 1})
		f.race("SetStatus", func(int) error {
			return f.SetStatus(f.ctx(), op.ID, signing.StatusPending, signing.StatusChange{Status: signing.StatusRetrying})
		})
		f.race("FinishDocuments", func(int) error { return f.FinishDocuments(f.ctx(), failedOf(refs)) })
		uploads := make([]signing.Upload, racers)
		requests := make([]signing.NewOperation, racers)
		for i := range uploads {
			uploads[i] = f.upload()
			requests[i] = f.newOperation(uploads[i], "c", "raced for", "a")
		}
		f.race("Create", func(i int) error {
			_, err := f.Create(f.ctx(), uploads[i], requests[i])
			if signing.KindOf(err) == signing.KindReferenceUsed {
				return signing.ErrConflict
			}
			return err
		})
	}},
	{name: "many at once, each whole", run: func(f *fixture) {
		ops := make([]signing.Operation, racers)
		for i := range ops {
			ops[i] = f.create("c", fmt.Sprint(i), many(5)...)
		}
		f.atOnce(func(i int) error {
			refs := refsOf(ops[i].ID, 0, 1, 2, 3, 4)
			if err := f.SavePrepared(f.ctx(), preparedOf(refs)); err != nil {
				return err
			}
			call := signing.CallRecord{ID: callOf(refs), Credential: "credential", Refs: refs}
			if err := f.BeginCall(f.ctx(), call); err != nil {
				return err
			}
			if err := f.EndCall(f.ctx(), callOf(refs), valuesOf(refs)); err != nil {
				return err
			}
			return f.FinishDocuments(f.ctx(), signedOf(refs, 20_000*(i%2)+10))
		}, func(i int, err error) { f.must(err) })
		f.wantCounters("after", signing.Counters{Sent: 5 * racers, Returned: 5 * racers})
		for i, op := range ops {
			for _, r := range signedOf(refsOf(op.ID, 0, 1, 2, 3, 4), 20_000*(i%2)+10) {
				file, _, err := f.OpenSection(f.ctx(), r.Ref)
				f.wantFile("OpenSection", file, err, r.Section)
			}
		}
	}},
	{name: "one operation finished by many", run: func(f *fixture) {
		op := f.create("c", "r", many(3*racers)...)
		of := func(i int) []signing.Ref { return refsOf(op.ID, 3*i, 3*i+1, 3*i+2) }
		for i := range racers {
			f.advance(signing.DocumentValued, of(i))
		}
		f.atOnce(func(i int) error {
			return f.FinishDocuments(f.ctx(), signedOf(of(i), 30_000))
		}, func(i int, err error) { f.must(err) })
		for i := range 3 * racers {
			r := signedOf(refsOf(op.ID, i), 30_000)[0]
			file, _, err := f.OpenSection(f.ctx(), r.Ref)
			f.wantFile("OpenSection", file, err, r.Section)
		}
	}},
}

// racers is how many goroutines compete.
const racers = 16

// atOnce runs try in many goroutines and judges the results when all have ended.
func (f *fixture) atOnce(try func(i int) error, judge func(i int, err error)) {
	f.Helper()
	results := make(chan func(), racers)
	start := make(chan struct{})
	for i := range racers {
		go func() {
			<-start
			err := try(i)
			results <- func() { judge(i, err) }
		}()
	}
	close(start)
	for range racers {
		(<-results)()
	}
}

// race wants exactly one try to succeed and the others to be told that there is a conflict.
func (f *fixture) race(what string, try func(i int) error) {
	f.Helper()
	won := 0
	f.atOnce(try, func(i int, err error) {
		if err == nil {
			won++
			return
		}
		f.wantConflict(what, err)
	})
	if won != 1 {
		f.Errorf("%s: %d of %d succeeded, want 1", what, won, racers)
	}
}
